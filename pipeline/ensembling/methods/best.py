"""The best member alone: the baseline that an ensemble has to beat."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth
from pipeline.ensembling.weights import apply, apply_values, forward, forward_values

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
    log_probs: Float[np.ndarray, "m n k"],
    truth: Truth,
) -> State:
    """Put all weight on the member with the lowest log-loss."""
    return _only(-truth.mean(log_probs[:, np.arange(len(truth.targets)), truth.targets]))


def fit_values(
    params: Params,  # noqa: ARG001
    values: Float[np.ndarray, "m n t"],
    truth: Truth,
) -> State:
    """Put all weight on the member with the lowest squared error."""
    return _only(truth.mean(((values - truth.targets) ** 2).mean(axis=2)))


def _only(losses: Float[np.ndarray, " m"]) -> State:
    return {"weights": (np.arange(len(losses)) == losses.argmin()).astype(float)}
