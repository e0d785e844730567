"""Mean of the members' probabilities, or values: nothing to fit, hard to beat."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from pipeline.component import Component
from pipeline.ensembling._weights import apply, apply_values
from pipeline.space import State

__all__ = ["APART", "Params", "apply", "apply_values", "fit", "fit_values"]

APART = False


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    targets: Int[np.ndarray, " n"],  # noqa: ARG001
) -> State:
    """Equal weights."""
    return {"weights": np.full(len(log_probs), 1 / len(log_probs))}


def fit_values(
    params: Params,
    values: Float[np.ndarray, "m n t"],
    targets: Float[np.ndarray, "n t"],  # noqa: ARG001
) -> State:
    """Equal weights."""
    return fit(params, values, np.zeros(values.shape[1], int))
