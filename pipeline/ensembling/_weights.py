"""The weighted mean, which several methods end in: one weight ≥ 0 a member, 1 in all."""

import numpy as np
from jaxtyping import Float

from pipeline.space import State


def apply(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:
    """Log of the weighted mean of probabilities, computed stably."""
    counted = np.flatnonzero(state["weights"])
    weighted = log_probs[counted] + np.log(state["weights"][counted])[:, None, None]
    combined: np.ndarray = np.logaddexp.reduce(weighted, axis=0)
    return combined


def apply_values(state: State, values: Float[np.ndarray, "m n t"]) -> Float[np.ndarray, "n t"]:
    """The weighted mean of values."""
    return np.tensordot(state["weights"], values, axes=1)
