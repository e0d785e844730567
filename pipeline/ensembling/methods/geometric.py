"""Geometric mean of the members' probabilities, which is the mean of their logits.

The arithmetic mean asks who is right, this asks what nobody rules out: one member that gives an
outcome no chance is enough. G. Hinton, Training Products of Experts, 2002.
"""

from typing import ClassVar

import numpy as np
import scipy
from jaxtyping import Float, Int

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.weights import equal

PER_LABEL = False


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    targets: Int[np.ndarray, " n"],  # noqa: ARG001
) -> State:
    """Return equal weights."""
    return equal(len(log_probs))


def apply(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:
    """Return the mean of log-probabilities, normalised again."""
    combined: np.ndarray = scipy.special.log_softmax(
        np.tensordot(state["weights"], log_probs, axes=1), axis=1
    )
    return combined
