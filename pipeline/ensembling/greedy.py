"""Greedy selection with replacement.

R. Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004: add, again and again,
the member that helps the mean most; a member's weight is how often it was added. The shortest
prefix with the lowest loss is kept, so a useless member gets no weight.
"""

from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from pipeline.component import Component
from pipeline.ensembling._weights import apply, apply_values
from pipeline.space import State

__all__ = ["APART", "Params", "apply", "apply_values", "fit", "fit_values"]

APART = False


class Params(Component):
    """How many members are added, the same one perhaps several times."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")

    num_rounds: Annotated[int, Field(ge=1)] = 50


def fit(
    params: Params, log_probs: Float[np.ndarray, "m n k"], targets: Int[np.ndarray, " n"]
) -> State:
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
    return {"weights": np.bincount(kept, minlength=len(log_probs)) / len(kept)}


def fit_values(
    params: Params, values: Float[np.ndarray, "m n t"], targets: Float[np.ndarray, "n t"]
) -> State:
    """As `fit`, by squared error."""
    raise NotImplementedError
