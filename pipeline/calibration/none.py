"""Predictions as they are: what every calibrator has to beat."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.component import Component
from pipeline.space import State

APART = False


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    predictions: Float[np.ndarray, "n k"],  # noqa: ARG001
    targets: np.ndarray,  # noqa: ARG001
) -> State:
    """Nothing to fit."""
    return {}


def apply(state: State, predictions: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:  # noqa: ARG001
    """The same."""
    return predictions


fit_values, apply_values = fit, apply
