"""What a system answers, for tensors: what `pipeline.serving.table` says by names, as numbers."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.core.kind import Kind
from pipeline.ensembling.conformal import PredictionSets
from pipeline.ensembling.decisions import Decision


def answer(
    predictions: Float[Tensor, "n *k"], kind: Kind, decision: Decision, sets: PredictionSets | None
) -> dict[str, Tensor]:
    """Return the outputs by name: probabilities or values in float32, and the decisions."""
    if kind == "values":
        half = torch.tensor(decision.half_widths, dtype=torch.float64)
        ends = {"low": predictions - half, "high": predictions + half}
        return {"values": predictions.float(), **{name: end.float() for name, end in ends.items()}}
    if kind == "labels":
        present = predictions[..., 1].exp()
        return {"labels": _decided(predictions, decision), "probs": present.float()}
    made = {"class": _decided(predictions, decision)}
    if sets is not None:
        made["prediction_set"] = _inside(predictions, sets)
    return {**made, "probs": predictions.exp().float()}


def _decided(predictions: Float[Tensor, "n *k"], decision: Decision) -> Tensor:
    """Do what `Decision` does for classes, as indices, and for labels, as truth values."""
    if decision.rule == "costs":
        costs = torch.tensor(decision.costs, dtype=torch.float64)
        return (predictions.exp() @ costs).argmin(dim=-1)
    if decision.rule == "most_probable":
        return predictions.argmax(dim=-1)
    thresholds = torch.tensor(decision.thresholds, dtype=torch.float64)
    if predictions.ndim == 3:
        return predictions[..., 1].exp() >= thresholds
    return (predictions[:, 1].exp() >= thresholds).long()


def _inside(log_probs: Float[Tensor, "n k"], sets: PredictionSets) -> Bool[Tensor, "n k"]:
    """Do what `PredictionSets` does."""
    scores = _scores(log_probs.exp(), sets)
    inside = scores <= torch.tensor(sets.thresholds, dtype=torch.float64)
    if sets.allow_empty:
        return inside
    classes = torch.arange(log_probs.shape[1])
    return inside | (classes == log_probs.argmax(dim=1, keepdim=True))


def _scores(probs: Float[Tensor, "n k"], sets: PredictionSets) -> Float[Tensor, "n k"]:
    """Do what `pipeline.ensembling.conformal.scores` does."""
    if sets.method == "lac":
        return 1 - probs
    ranked, order = probs.sort(dim=1, descending=True)
    by_rank = ranked.cumsum(dim=1) - ranked / 2
    if sets.method == "raps":
        ranks = torch.arange(1, probs.shape[1] + 1)
        by_rank = by_rank + sets.penalty * (ranks - sets.num_free).clamp(min=0)
    return by_rank.gather(1, order.argsort(dim=1))
