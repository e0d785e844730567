"""One number or several for each image.

The network learns them standardised, as they are then alike in size whatever their units. Their
mean and standard deviation over train stand in the card of the data, and travel with the model.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.component import Component


class Params(Component):
    """No settings."""

    KIND: ClassVar[str] = "values"
    ACTIVATION: ClassVar[str] = "identity"
    MONITOR: ClassVar[str] = "standardised_mse"


def num_outputs(num_classes: int) -> int:
    """One output a value; the names of the values stand where a card has classes."""
    return num_classes


def predictions(
    logits: Float[np.ndarray, "*m n t"], mean: Sequence[float], std: Sequence[float]
) -> Float[np.ndarray, "*m n t"]:
    """Values in their own units, in float64.

    Args:
        mean: of each value over train; `std` likewise.
    """
    values: np.ndarray = np.asarray(logits, np.float64) * std + mean
    return values


def scores(
    values: Float[np.ndarray, "n t"],
    targets: Float[np.ndarray, "n t"],
    mean: Sequence[float],  # noqa: ARG001  # the second half of what the card knows
    std: Sequence[float],
) -> dict[str, Float[np.ndarray, " n"]]:
    """Per-sample figures whose mean training watches: squared and absolute errors.

    In standard deviations of train, and means over the values, so that each value counts alike. A
    standardised_mse of 1 is as bad as always answering with the mean of train.
    """
    errors = (values - targets) / std
    return {
        "standardised_mse": (errors**2).mean(axis=-1),
        "standardised_mae": np.abs(errors).mean(axis=-1),
    }
