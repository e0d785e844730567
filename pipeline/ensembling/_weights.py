"""The weighted mean, which several methods end in: one weight ≥ 0 a member, 1 in all."""

import numpy as np
from jaxtyping import Float, Int

from pipeline.space import State

FLOOR = 1e-30  # below the best member's likelihood; keeps squares and products of it finite


def apply(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:
    """Log of the weighted mean of probabilities, computed stably and a member at a time."""
    counted = np.flatnonzero(state["weights"])
    most = log_probs[counted[0]]
    for member in counted[1:]:
        most = np.maximum(most, log_probs[member])
    total = np.zeros_like(most)
    for member in counted:
        total += state["weights"][member] * np.exp(log_probs[member] - most)
    combined: np.ndarray = np.log(total) + most
    return combined


def apply_values(state: State, values: Float[np.ndarray, "m n t"]) -> Float[np.ndarray, "n t"]:
    """The weighted mean of values."""
    return np.tensordot(state["weights"], values, axes=1)


def equal(num_members: int) -> State:
    return {"weights": np.full(num_members, 1 / num_members)}


def likelihoods(
    log_probs: Float[np.ndarray, "m n k"], targets: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "m n"]:
    """What each member gives the true outcome over what the best member of the sample gives it.

    In FLOOR..1. The log-loss of a weighted mean needs no more, whatever the number of classes: it
    is `-log(weights @ likelihoods)`, up to a constant of the sample.
    """
    # What advanced indexing gives lies sample by sample; work on it goes member by member.
    true = np.ascontiguousarray(log_probs[:, np.arange(len(targets)), targets])
    ratios: np.ndarray = np.maximum(np.exp(true - true.max(axis=0)), FLOOR)
    return ratios
