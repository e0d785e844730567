"""The means of the first member, of the first two, … in order of usefulness.

The order is that in which they help the mean most on validation.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pipeline.core.component import make
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.prediction_type import PredictionType

ALL_UP_TO, STEP = 10, 1.25  # from 10 members on, each size is a quarter larger than the last


def nested(members: Sequence[str], predictions: np.ndarray, val: Validation) -> list[Combiner]:
    """Return the nested means; the last one has all members.

    Args:
        predictions: predictions of validation; the first axis is that of the members.
    """
    order = usefulness(val.prediction_type, predictions, val.targets)
    return [
        fit(
            make("method", "mean"),
            [members[place] for place in order[:num]],
            predictions[order[:num]],
            val,
        ).combiner
        for num in sizes(len(members))
    ]


def sizes(num_members: int) -> list[int]:
    """Return the sizes to evaluate."""
    found = list(range(1, min(num_members, ALL_UP_TO) + 1))
    while found[-1] < num_members:
        found.append(min(int(found[-1] * STEP), num_members))
    return found


def usefulness(
    prediction_type: PredictionType, predictions: np.ndarray, targets: np.ndarray
) -> list[int]:
    """Return the members' indices: next is always the one that leaves the mean the lowest loss."""
    if prediction_type.kind == "values":
        _, std = prediction_type.scale
        parts = ((predictions - targets) / std).reshape(len(predictions), -1)
    else:
        wanted = np.broadcast_to(targets.astype(np.intp)[..., None], (*predictions.shape[:-1], 1))
        true = np.take_along_axis(predictions, wanted, axis=-1)
        parts = np.exp(true).reshape(len(predictions), -1)
    loss = _squared if prediction_type.kind == "values" else _log_loss
    order: list[int] = []
    total = np.zeros(parts.shape[1])
    for size in range(1, len(parts) + 1):
        left = [place for place in range(len(parts)) if place not in order]
        order.append(left[int(loss((total + parts[left]) / size).argmin())])
        total += parts[order[-1]]
    return order


def _log_loss(probs: Float[np.ndarray, "m s"]) -> Float[np.ndarray, " m"]:
    with np.errstate(divide="ignore"):
        losses: np.ndarray = -np.log(probs).mean(axis=1)
    return losses


def _squared(errors: Float[np.ndarray, "m s"]) -> Float[np.ndarray, " m"]:
    losses: np.ndarray = (errors**2).mean(axis=1)
    return losses
