"""Majority vote: each member casts one vote, however confident. For values: the median."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.points import shares
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth

PER_LABEL = False


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    predictions: Float[np.ndarray, "m n k"],  # noqa: ARG001
    truth: Truth,  # noqa: ARG001
) -> State:
    """Return an empty state: there is nothing to fit."""
    return {}


fit_values = fit


def apply(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:  # noqa: ARG001
    """Return each outcome's share of the votes and of one extra vote, see `shares`.

    A member that finds several outcomes most probable splits its vote among them.
    """
    votes = np.zeros(log_probs.shape[1:])
    for member in log_probs:
        is_most = member == member.max(axis=1, keepdims=True)
        votes += is_most / is_most.sum(axis=1, keepdims=True)
    return shares(votes, log_probs)


def apply_values(state: State, values: Float[np.ndarray, "m n t"]) -> Float[np.ndarray, "n t"]:  # noqa: ARG001
    """Return the median of the members."""
    return np.asarray(np.median(values, axis=0))
