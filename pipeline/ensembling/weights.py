"""The weighted mean that several methods use: one weight ≥ 0 per member, summing to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy
from jaxtyping import Float, Int

from pipeline.ensembling.prediction_type import State

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-30  # relative to the best member's likelihood; keeps squares and products finite


def apply(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:
    """Return the log of the weighted mean of probabilities, stably and one member at a time."""
    counted = np.flatnonzero(state["weights"])
    most = log_probs[counted[0]]
    for member in counted[1:]:
        most = np.maximum(most, log_probs[member])
    total = np.zeros_like(most)
    for member in counted:
        total += state["weights"][member] * np.exp(log_probs[member] - most)
    combined: np.ndarray = np.log(total) + most
    return combined


def apply_to_logs(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:
    """Return the weighted sum of log-probabilities, normalised again: a geometric mean."""
    combined: np.ndarray = scipy.special.log_softmax(
        np.tensordot(state["weights"], log_probs, axes=1), axis=1
    )
    return combined


def apply_values(state: State, values: Float[np.ndarray, "m n t"]) -> Float[np.ndarray, "n t"]:
    """Return the weighted mean of values."""
    return np.tensordot(state["weights"], values, axes=1)


def forward(state: dict[str, Tensor], log_probs: Float[Tensor, "m n k"]) -> Float[Tensor, "n k"]:
    """Do what `apply` does."""
    return (log_probs + state["weights"].log()[:, None, None]).logsumexp(dim=0)


def forward_logs(
    state: dict[str, Tensor], log_probs: Float[Tensor, "m n k"]
) -> Float[Tensor, "n k"]:
    """Do what `apply_to_logs` does."""
    return forward_values(state, log_probs).log_softmax(dim=1)


def forward_values(
    state: dict[str, Tensor], values: Float[Tensor, "m n t"]
) -> Float[Tensor, "n t"]:
    """Do what `apply_values` does."""
    return (state["weights"][:, None, None] * values).sum(dim=0)


def equal(num_members: int) -> State:
    return {"weights": np.full(num_members, 1 / num_members)}


def likelihoods(
    log_probs: Float[np.ndarray, "m n k"], targets: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "m n"]:
    """Return each member's probability of the true outcome, relative to the sample's best member.

    The result is in FLOOR..1. The log-loss of a weighted mean needs no more, whatever the number of
    classes: it is `-log(weights @ likelihoods)`, up to a constant per sample.
    """
    # Advanced indexing lays the result out sample by sample; later work goes member by member.
    true = np.ascontiguousarray(log_probs[:, np.arange(len(targets)), targets])
    ratios: np.ndarray = np.maximum(np.exp(true - true.max(axis=0)), FLOOR)
    return ratios
