"""Majority vote: each member casts one vote, however confident. For values: the median."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling import points
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth

if TYPE_CHECKING:
    from torch import Tensor

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
    """Return each outcome's share of the votes and of one extra vote, see `points`.

    A member that finds several outcomes most probable splits its vote among them.
    """
    votes = np.zeros(log_probs.shape[1:])
    for member in log_probs:
        is_most = member == member.max(axis=1, keepdims=True)
        votes += is_most / is_most.sum(axis=1, keepdims=True)
    return points.shares(votes, log_probs)


def apply_values(state: State, values: Float[np.ndarray, "m n t"]) -> Float[np.ndarray, "n t"]:  # noqa: ARG001
    """Return the median of the members."""
    return np.asarray(np.median(values, axis=0))


def forward(
    state: dict[str, Tensor],  # noqa: ARG001
    log_probs: Float[Tensor, "m n k"],
) -> Float[Tensor, "n k"]:
    """Do what `apply` does."""
    is_most = (log_probs == log_probs.amax(dim=2, keepdim=True)).double()
    votes = (is_most / is_most.sum(dim=2, keepdim=True)).sum(dim=0)
    return points.forward(votes, log_probs)


def forward_values(
    state: dict[str, Tensor],  # noqa: ARG001
    values: Float[Tensor, "m n t"],
) -> Float[Tensor, "n t"]:
    """Do what `apply_values` does."""
    ordered, middle = values.sort(dim=0).values, len(values) // 2
    return (ordered[middle] + ordered[-1 - middle]) / 2
