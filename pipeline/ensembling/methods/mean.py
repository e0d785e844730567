"""Mean of the members' probabilities or values: nothing to fit, hard to beat."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth
from pipeline.ensembling.weights import apply, apply_values, equal, forward, forward_values

__all__ = [
    "PER_LABEL", "Params", "apply", "apply_values", "fit", "fit_values", "forward",
    "forward_values",
]  # fmt: skip

PER_LABEL = False


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    predictions: Float[np.ndarray, "m n k"],
    truth: Truth,  # noqa: ARG001
) -> State:
    """Return equal weights."""
    return equal(len(predictions))


fit_values = fit
