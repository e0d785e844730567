"""Geometric mean of the members' probabilities, which is the mean of their logits.

The arithmetic mean asks who is right, this asks what nobody rules out: one member that gives an
outcome no chance is enough. G. Hinton, Training Products of Experts, 2002.
"""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth
from pipeline.ensembling.weights import apply_to_logs as apply
from pipeline.ensembling.weights import equal
from pipeline.ensembling.weights import forward_logs as forward

__all__ = ["PER_LABEL", "Params", "apply", "fit", "forward"]

PER_LABEL = False


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    truth: Truth,  # noqa: ARG001
) -> State:
    """Return equal weights."""
    return equal(len(log_probs))
