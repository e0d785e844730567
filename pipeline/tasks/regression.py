"""Regression: one or several numbers per image.

The network learns standardised values, so that all have a similar size whatever their units. Their
mean and standard deviation over train are in the card of the data, and travel with the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pipeline.core.component import Component

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float


class Params(Component):
    """No settings."""

    KIND: ClassVar[str] = "values"
    ACTIVATION: ClassVar[str] = "identity"
    MONITOR: ClassVar[str] = "standardised_mse"
    SCORES: ClassVar[dict[str, str]] = {
        "standardised_mse": "minimize",
        "standardised_mae": "minimize",
    }


def num_outputs(num_classes: int) -> int:
    """Return one output per value; a card lists the names of the values as its classes."""
    return num_classes


def predictions(
    logits: Float[np.ndarray, "*m n t"], mean: Sequence[float], std: Sequence[float]
) -> Float[np.ndarray, "*m n t"]:
    """Return values in their own units, in float64.

    Args:
        mean: the mean of each value over train; `std` likewise.
    """
    import numpy as np

    values: np.ndarray = np.asarray(logits, np.float64) * std + mean
    return values


def scores(
    values: Float[np.ndarray, "n t"],
    targets: Float[np.ndarray, "n t"],
    mean: Sequence[float],  # noqa: ARG001  # the second half of the scale
    std: Sequence[float],
) -> dict[str, Float[np.ndarray, " n"]]:
    """Return per-sample metrics, whose mean training watches: squared and absolute errors.

    They are in standard deviations of train, averaged over the values, so that each value counts
    equally. A standardised_mse of 1 is no better than always predicting the mean of train.
    """
    import numpy as np

    errors = (values - targets) / std
    return {
        "standardised_mse": (errors**2).mean(axis=-1),
        "standardised_mae": np.abs(errors).mean(axis=-1),
    }
