"""The means of the first member, of the first two, … in order of usefulness.

The order is that in which they help the mean most on validation.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from pipeline.core.component import make
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.practicable import MOST_VALUES
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth

Loss = Callable[[np.ndarray], np.ndarray]
"""Computes each sample's loss from the means of candidates, `c n s`."""
ALL_UP_TO, STEP = 10, 1.25  # from 10 members on, each size is a quarter larger than the last


def nested(members: Sequence[str], predictions: np.ndarray, val: Validation) -> list[Combiner]:
    """Return the nested means; the last one has all members.

    Args:
        predictions: predictions of validation; the first axis is that of the members.
    """
    mean, order = make("method", "mean"), usefulness(val.prediction_type, predictions, val.truth)
    sizes, _ = practicable_sizes(predictions)
    return [
        fit(mean, [members[p] for p in order[:num]], predictions, val, order[:num]).combiner
        for num in sizes
    ]


def practicable_sizes(predictions: np.ndarray) -> tuple[list[int], list[str]]:
    """Return the sizes to evaluate, and a note if there is no time for more than a few."""
    num_members, of_member = len(predictions), predictions[0].size
    found = list(range(1, min(num_members, ALL_UP_TO) + 1))
    while found[-1] < num_members:
        found.append(min(int(found[-1] * STEP), num_members))
    if sum(found) * of_member <= MOST_VALUES:
        return found, []
    few = [*(2**power for power in range(num_members) if 2**power < num_members), num_members]
    note = (
        f"means were fitted of {', '.join(map(str, few))} members: those of "
        f"{len(found)} sizes would read {sum(found) * of_member:,} predicted values, and "
        f"{MOST_VALUES:,} are the most that end in reasonable time"
    )
    return few, [note]


def usefulness(prediction_type: PredictionType, predictions: np.ndarray, truth: Truth) -> list[int]:
    """Return the members' indices: next is always the one that leaves the mean the lowest loss."""
    if prediction_type.kind == "values":
        _, std = prediction_type.scale
        parts = (predictions - truth.targets) / std
        loss: Loss = _squared
    else:
        outcomes = truth.targets.astype(np.intp)[..., None]
        wanted = np.broadcast_to(outcomes, (*predictions.shape[:-1], 1))
        true = np.take_along_axis(predictions, wanted, axis=-1)
        parts = np.exp(true).reshape(*predictions.shape[:2], -1)
        loss = _log_loss
    order: list[int] = []
    total = np.zeros(parts.shape[1:])
    for size in range(1, len(parts) + 1):
        left = [place for place in range(len(parts)) if place not in order]
        losses = truth.mean(loss((total + parts[left]) / size))
        order.append(left[int(losses.argmin())])
        total += parts[order[-1]]
    return order


def _log_loss(probs: Float[np.ndarray, "m n s"]) -> Float[np.ndarray, "m n"]:
    with np.errstate(divide="ignore"):
        losses: np.ndarray = -np.log(probs).mean(axis=2)
    return losses


def _squared(errors: Float[np.ndarray, "m n s"]) -> Float[np.ndarray, "m n"]:
    losses: np.ndarray = (errors**2).mean(axis=2)
    return losses
