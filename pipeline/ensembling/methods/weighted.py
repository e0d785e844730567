"""The weighted mean with the lowest loss: the optimum that greedy selection approximates.

The log-loss of a mixture is convex in its weights. Each step is a Newton step under weights ≥ 0
that sum to 1, which is a least-squares problem: Y. Kim et al., A Fast Algorithm for Maximum
Likelihood Estimation of Mixture Proportions Using Sequential Quadratic Programming, 2020.
"""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.simplex import nearest_to_zero
from pipeline.ensembling.truth import Truth
from pipeline.ensembling.weights import (
    apply,
    apply_values,
    equal,
    forward,
    forward_values,
    likelihoods,
)

__all__ = [
    "PER_LABEL", "Params", "apply", "apply_values", "fit", "fit_values", "forward",
    "forward_values",
]  # fmt: skip

PER_LABEL = False
MOST_STEPS = 100
GAP_NATS = 1e-9


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    truth: Truth,
) -> State:
    """Return weights whose log-loss is within GAP_NATS of the lowest.

    The loss is at most `log(relative.mean(axis=1).max())` above the lowest, by Jensen's inequality.
    """
    table, root = likelihoods(log_probs, truth.targets), np.sqrt(truth.weights)
    weights = equal(len(table))["weights"]
    for _ in range(MOST_STEPS):
        relative = table / (weights @ table)
        if truth.mean(relative).max() <= 1 + GAP_NATS:
            break
        # With relative = 1 + e, log(w @ relative) = w @ e - (w @ e)²/2 + …, highest at w @ e = 1.
        weights = _step(table, truth, weights, nearest_to_zero((relative - 2) * root))
    return {"weights": weights}


def fit_values(
    params: Params,  # noqa: ARG001
    values: Float[np.ndarray, "m n t"],
    truth: Truth,
) -> State:
    """Return the weights with the lowest squared error."""
    return {"weights": nearest_to_zero((values - truth.targets).reshape(len(values), -1))}


def _step(
    table: Float[np.ndarray, "m n"],
    truth: Truth,
    weights: Float[np.ndarray, " m"],
    towards: Float[np.ndarray, " m"],
) -> Float[np.ndarray, " m"]:
    """Step as far as the loss falls by a share of what its slope promises (Armijo's rule).

    The step stops at half of what mixtures can be at the lowest loss: there the best member of a
    sample, whose likelihood is 1, has `weight / mixed / n <= relative's mean <= 1`. Beyond this,
    Newton's steps would only double what is too small.
    """
    mixed, ahead = weights @ table, towards @ table
    least = 0.5 * truth.weights.clip(max=1) / max(table.shape)
    promised = 1e-4 * (truth.mean(ahead / mixed) - 1)
    rounding = 1e-14  # of the loss: the last steps promise less than this
    length = 1.0
    while True:
        moved = (1 - length) * mixed + length * ahead
        gained = truth.mean(np.log(moved / mixed)) if (moved >= least).all() else -np.inf
        if gained >= length * promised - rounding:
            return (1 - length) * weights + length * towards
        length /= 2
