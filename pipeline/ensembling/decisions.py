"""Turn predictions into decisions, by a rule that validation chooses and the model stores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from pipeline.config.ensembling import Costs, Ensembling, Goal
from pipeline.core.kind import Kind
from pipeline.ensembling.truth import Truth

NEVER = float(np.nextafter(1, 2))  # a threshold that no probability reaches


@dataclass(frozen=True)
class Decision:
    """The decision rule of one system."""

    rule: Literal["most_probable", "thresholds", "costs", "values"]
    thresholds: tuple[float, ...] = ()
    """Probability from which the second class, or each label, is predicted."""
    costs: Costs = ()
    """With costs, the decision with the lowest expected cost is taken."""
    half_widths: tuple[float, ...] = ()
    """Half-width of the interval around each value that contains `coverage` of all samples."""

    def __call__(self, predictions: np.ndarray) -> np.ndarray:
        """Return class indices `n`, bool labels `n k` or values `n t`; see prediction_type.py."""
        if self.rule == "values":
            return predictions
        if self.rule == "costs":
            decided: np.ndarray = (np.exp(predictions) @ np.array(self.costs)).argmin(axis=-1)
            return decided
        if self.rule == "most_probable":
            return np.asarray(predictions.argmax(axis=-1))
        is_over: np.ndarray = np.exp(predictions[..., 1]) >= np.array(self.thresholds)
        return is_over if predictions.ndim == 3 else is_over.astype(np.intp)


def choose(
    kind: Kind,
    predictions: np.ndarray,
    truth: Truth,
    *,
    goal: Goal,
    positive: int | None,
    costs: Costs | None,
    coverage: float,
) -> Decision:
    """Choose the decision rule.

    Args:
        predictions: predictions of validation, each from a fit that did not see the sample.
        goal: what thresholds optimise, for two classes and for labels.
        positive: the index of the class, of two, that the goal speaks of; None where it treats
            both alike.
        costs: costs of decisions, for classes; if given, they decide alone.
        coverage: coverage of the intervals around values.
    """
    if kind == "values":
        return Decision("values", half_widths=_half_widths(predictions, truth.targets, coverage))
    if kind == "labels":
        return Decision("thresholds", tuple(
            threshold(probs, is_true, truth.weights, goal)
            for probs, is_true in zip(np.exp(predictions[..., 1]).T, truth.targets.T, strict=True)
        ))  # fmt: skip
    if costs is not None:
        return Decision("costs", costs=costs)
    if predictions.shape[1] > 2:
        return Decision("most_probable")
    return Decision("thresholds", (_of_two(np.exp(predictions), truth, goal, positive),))


def _of_two(
    probs: Float[np.ndarray, "n 2"],
    truth: Truth,
    goal: Goal,
    positive: int | None,
) -> float:
    """Return the probability from which the second class is predicted."""
    if positive == 0:
        found = threshold(probs[:, 0], truth.targets == 0, truth.weights, goal)
        return float(np.nextafter(1 - found, 2))  # the first class has its threshold or more
    return threshold(probs[:, 1], truth.targets == 1, truth.weights, goal)


def positive_index(settings: Ensembling, classes: Sequence[str]) -> int | None:
    """Return the index of the positive class; None if the goal treats both classes alike."""
    name = settings.positive_class
    return None if name is None else list(classes).index(name)


def threshold(
    probs: Float[np.ndarray, " n"],
    is_true: Bool[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    goal: Goal,
) -> float:
    """Return the threshold with the best `goal`, half-way between two probabilities.

    If several are best, it is the one nearest to 0.5, and of two equally near the one that predicts
    the more frequent outcome; with a single outcome in validation it is 0.5.
    """
    if goal == "half" or is_true.all() or not is_true.any():
        return 0.5
    values = np.unique(probs)
    candidates = np.concatenate([[0.0], (values[:-1] + values[1:]) / 2, [NEVER]])
    order = np.argsort(probs)
    first = np.searchsorted(probs[order], candidates)  # from here on the prediction is yes
    fn, tn = (
        np.concatenate([[0.0], np.cumsum((weights * of_kind)[order])])[first]
        for of_kind in (is_true, ~is_true)
    )
    tp, fp = weights[is_true].sum() - fn, weights[~is_true].sum() - tn
    scores = {
        "f1": 2 * tp / (2 * tp + fp + fn),
        "accuracy": (tp + tn) / weights.sum(),
        "balanced_accuracy": tp / (tp + fn) + tn / (tn + fp),
    }[goal]
    best = candidates[scores >= scores.max() - 1e-12]
    distance = np.abs(best - 0.5).round(9)
    nearest_ones = best[distance == distance.min()]
    return float(nearest_ones[0] if is_true.mean() >= 0.5 else nearest_ones[-1])


def _half_widths(
    values: Float[np.ndarray, "n t"], targets: Float[np.ndarray, "n t"], coverage: float
) -> tuple[float, ...]:
    """Return the half-widths of intervals by split conformal prediction.

    J. Lei et al., Distribution-Free Predictive Inference for Regression, 2018, algorithm 2. With
    too few samples, it is the largest error.
    """
    rank = min(int(np.ceil((len(values) + 1) * coverage)), len(values))
    errors = np.sort(np.abs(values - targets), axis=0)
    return tuple(errors[rank - 1].tolist())
