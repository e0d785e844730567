"""Greedy selection with replacement, by log-loss.

R. Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004: add, again and again,
the member that helps the mean most; a member's weight is how often it was added. The shortest
prefix with the lowest loss is kept, so a useless member gets no weight.
"""

from typing import Annotated

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from pipeline.component import Component
from pipeline.ensembling.mean import combine

__all__ = ["Params", "combine", "fit"]


class Params(Component):
    """How many members are added, the same one perhaps several times."""

    num_rounds: Annotated[int, Field(ge=1)] = 50


def fit(
    params: Params, log_probs: Float[np.ndarray, "m n k"], targets: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    """Weights that are multiples of one over the number of rounds kept.

    Only the probability of the true class enters the log-loss, so the search works on an
    (m, n) table, whatever the number of classes.
    """
    true_probs = np.exp(log_probs[:, np.arange(len(targets)), targets])
    total = np.zeros(true_probs.shape[1])
    picks: list[int] = []
    losses: list[float] = []
    for size in range(1, params.num_rounds + 1):
        with np.errstate(divide="ignore"):
            candidates = -np.log((total + true_probs) / size).mean(axis=1)
        picks.append(int(candidates.argmin()))
        losses.append(float(candidates.min()))
        total += true_probs[picks[-1]]
    kept = picks[: int(np.argmin(losses)) + 1]
    return np.bincount(kept, minlength=len(log_probs)) / len(kept)
