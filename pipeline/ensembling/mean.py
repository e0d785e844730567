"""Mean of the members' probabilities: nothing to fit, hard to beat."""

import numpy as np
from jaxtyping import Float, Int

from pipeline.component import Component


class Params(Component):
    """No settings."""


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    targets: Int[np.ndarray, " n"],  # noqa: ARG001
) -> Float[np.ndarray, " m"]:
    """Equal weights."""
    return np.full(len(log_probs), 1 / len(log_probs))


def combine(
    weights: Float[np.ndarray, " m"], log_probs: Float[np.ndarray, "m n k"]
) -> Float[np.ndarray, "n k"]:
    """Log of the weighted mean of probabilities, computed stably."""
    with np.errstate(divide="ignore"):  # a weight of zero is -inf here, and adds nothing
        weighted = log_probs + np.log(weights)[:, None, None]
    combined: np.ndarray = np.logaddexp.reduce(weighted, axis=0)
    return combined
