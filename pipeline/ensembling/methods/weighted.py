"""The weighted mean with the lowest loss: the optimum that greedy selection approximates.

The log-loss of a mixture is convex in its weights. Each step is a Newton step under weights ≥ 0
that sum to 1, which is a least-squares problem: Y. Kim et al., A Fast Algorithm for Maximum
Likelihood Estimation of Mixture Proportions Using Sequential Quadratic Programming, 2020.
"""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.simplex import nearest_to_zero
from pipeline.ensembling.weights import apply, apply_values, equal, likelihoods

__all__ = ["PER_LABEL", "Params", "apply", "apply_values", "fit", "fit_values"]

PER_LABEL = False
MOST_STEPS = 100
GAP_NATS = 1e-9


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    targets: Int[np.ndarray, " n"],
) -> State:
    """Return weights whose log-loss is within GAP_NATS of the lowest.

    The loss is at most `log(relative.mean(axis=1).max())` above the lowest, by Jensen's inequality.
    """
    table = likelihoods(log_probs, targets)
    weights = equal(len(table))["weights"]
    for _ in range(MOST_STEPS):
        relative = table / (weights @ table)
        if relative.mean(axis=1).max() <= 1 + GAP_NATS:
            break
        # With relative = 1 + e, log(w @ relative) = w @ e - (w @ e)²/2 + …, highest at w @ e = 1.
        weights = _step(table, weights, nearest_to_zero(relative - 2))
    return {"weights": weights}


def fit_values(
    params: Params,  # noqa: ARG001
    values: Float[np.ndarray, "m n t"],
    targets: Float[np.ndarray, "n t"],
) -> State:
    """Return the weights with the lowest squared error."""
    return {"weights": nearest_to_zero((values - targets).reshape(len(values), -1))}


def _step(
    table: Float[np.ndarray, "m n"],
    weights: Float[np.ndarray, " m"],
    towards: Float[np.ndarray, " m"],
) -> Float[np.ndarray, " m"]:
    """Step as far as the loss falls by a share of what its slope promises (Armijo's rule).

    The step stops at half of what mixtures can be at the lowest loss: there the best member of a
    sample, whose likelihood is 1, has `1 / mixed / n <= relative.mean() <= 1`. Beyond this,
    Newton's steps would only double what is too small.
    """
    mixed, ahead = weights @ table, towards @ table
    least = 0.5 / max(table.shape)
    promised = 1e-4 * ((ahead / mixed).mean() - 1)
    rounding = 1e-14  # of the loss: the last steps promise less than this
    length = 1.0
    while True:
        moved = (1 - length) * mixed + length * ahead
        if moved.min() >= least and np.log(moved / mixed).mean() >= length * promised - rounding:
            return (1 - length) * weights + length * towards
        length /= 2
