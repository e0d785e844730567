"""A weighted geometric mean whose weights leave equality only for good evidence.

The logarithmic opinion pool of C. Genest and J. Zidek, Combining Probability Distributions: A
Critique and an Annotated Bibliography, 1986, section 4. Equal weights are hard to beat where
members are alike, and wrong where one is much better than the others. A penalty decides between the
two: quadratic around equal weights, and linear, as in P. Huber, Robust Estimation of a Location
Parameter, 1964, for a member that counts for much more. `bench/choice.py` compares the methods.
"""

from typing import Annotated, ClassVar

import numpy as np
import scipy
from jaxtyping import Float
from pydantic import Field

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth
from pipeline.ensembling.weights import apply_to_logs as apply
from pipeline.ensembling.weights import equal

__all__ = ["PER_LABEL", "Params", "apply", "fit"]

PER_LABEL = False
LINEAR_FROM = 0.5  # of a member's weight relative to an equal one, less 1


class Params(Component):
    """How much evidence unequal weights need."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")
    strength: Annotated[float, Field(gt=0)] = 4.0
    """Factor of the penalty that is added to the sum of log-losses: a member without weight costs
    half of it, in nats."""


def fit(params: Params, log_probs: Float[np.ndarray, "m n k"], truth: Truth) -> State:
    """Find the weights ≥ 0 with the lowest penalised log-loss, which is convex in them.

    In the search their sum is free, as the inverse of a temperature; then it is made 1, since
    temperatures are for calibrators to find.
    """
    num_members, num, num_classes = log_probs.shape
    flat = log_probs.reshape(num_members, -1)
    share = np.zeros((num, num_classes))
    share[np.arange(num), truth.targets] = truth.weights
    true = flat @ share.ravel()

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        combined = scipy.special.log_softmax((weights @ flat).reshape(num, -1), axis=1)
        loss = -float((share * combined).sum())
        expected = flat @ (truth.weights[:, None] * np.exp(combined)).ravel()
        penalty, slope = _penalty(weights * num_members - 1)
        slope = expected - true + params.strength * num_members * slope
        return loss + params.strength * penalty, slope

    start = np.full(num_members, 1 / num_members)
    bounds = [(0, None)] * num_members
    found = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    total = found.x.sum()
    return {"weights": found.x / total} if total else equal(num_members)


def _penalty(excess: Float[np.ndarray, " m"]) -> tuple[float, Float[np.ndarray, " m"]]:
    """Return the penalty and its slope, for weights relative to equal ones, less 1."""
    linear = LINEAR_FROM * (excess - LINEAR_FROM / 2)
    penalty = np.where(excess > LINEAR_FROM, linear, excess**2 / 2).sum()
    return float(penalty), np.minimum(excess, LINEAR_FROM)
