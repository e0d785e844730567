"""A weighted geometric mean whose weights leave equality only for good evidence.

The logarithmic opinion pool of C. Genest and J. Zidek, Combining Probability Distributions: A
Critique and an Annotated Bibliography, 1986, section 4. Equal weights are hard to beat where
members are alike, and wrong where one is much better than the others. A penalty decides between the
two: quadratic around equal weights, and linear, as in P. Huber, Robust Estimation of a Location
Parameter, 1964, for a member that counts for much more. Cross-validation chooses its strength, as
one that suits alike members holds back the strong one among many (`bench/choice.py`).
"""

from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int
from pydantic import Field

from pipeline.core.component import Component
from pipeline.ensembling.folds import folds, inner_folds
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth
from pipeline.ensembling.weights import apply_to_logs as apply
from pipeline.ensembling.weights import equal

__all__ = ["PER_LABEL", "Params", "apply", "fit"]

PER_LABEL = False
LINEAR_FROM = 0.5  # of a member's weight relative to an equal one, less 1
LEAST_TOTAL = 0.02  # of equal weights: members that know nothing would have none
MOST_SAMPLES = 2000  # to choose the strength on: more take longer and choose no better


class Params(Component):
    """How much evidence unequal weights need; inner cross-validation chooses."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")

    strengths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (
        1.0, 4.0, 16.0, 64.0,
    )  # fmt: skip
    """Factors of the penalty that is added to the sum of log-losses: a member without weight costs
    half of it, in nats."""
    num_folds: Annotated[int, Field(ge=2)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the folds."""


class PoolSamples(NamedTuple):
    """The members' predictions of n samples, the targets, and how much each sample counts."""

    log_probs: Float[np.ndarray, "m n k"]
    targets: Int[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"]

    def of(self, are_taken: Bool[np.ndarray, " n"]) -> "PoolSamples":
        # Unlike an index, this lays the copy out member by member.
        log_probs = np.compress(are_taken, self.log_probs, axis=1)
        return PoolSamples(log_probs, self.targets[are_taken], self.weights[are_taken])


def fit(params: Params, log_probs: Float[np.ndarray, "m n k"], truth: Truth) -> State:
    """Find the weights ≥ 0 with the lowest penalised log-loss, which is convex in them.

    In the search their sum is free, as the inverse of a temperature, and the penalty is on their
    distance from equal weights of the best sum. Then the sum is made 1, since temperatures are for
    calibrators to find.
    """
    data = PoolSamples(log_probs, truth.targets, truth.weights)
    mean = data._replace(log_probs=log_probs.mean(axis=0, keepdims=True))
    total = max(_weights(mean, min(params.strengths), np.ones(1)).sum(), LEAST_TOTAL)
    even = np.full(len(log_probs), total / len(log_probs))
    weights = _weights(data, _strength(params, data, truth.units, even), even)
    found = weights.sum()
    return {"weights": weights / found} if found else equal(len(log_probs))


def _strength(
    params: Params, data: PoolSamples, units: Int[np.ndarray, " n"], even: Float[np.ndarray, " m"]
) -> float:
    """Return the strength with the lowest log-loss on samples left out.

    The search runs from the strongest on, as long as the loss falls. The samples are some of all
    if there are many: a penalty says what weights are probable before any sample is seen, so the
    one that suits some suits all.
    """
    strengths = sorted(params.strengths, reverse=True)
    num_parts = min(-(-len(units) // MOST_SAMPLES), len(np.unique(units)))
    if num_parts > 1:
        are_taken = folds(units, num_parts, params.seed) == 0
        data, units = data.of(are_taken), units[are_taken]
    fold_of = inner_folds(units, params.num_folds, params.seed)
    numbers = np.unique(fold_of)
    found, kept, lowest = dict.fromkeys(numbers, even), strengths[0], np.inf
    for strength in strengths if len(strengths) > 1 else []:
        loss = 0.0
        for fold in numbers:
            found[fold] = _weights(data.of(fold_of != fold), strength, even, found[fold])
            loss += _loss(data.of(fold_of == fold), found[fold])
        if loss >= lowest:
            break
        lowest, kept = loss, strength
    return kept


def _weights(
    data: PoolSamples,
    strength: float,
    even: Float[np.ndarray, " m"],
    begin: Float[np.ndarray, " m"] | None = None,
) -> Float[np.ndarray, " m"]:
    """Minimise the sum of log-losses plus the penalty.

    Args:
        even: the weights without a penalty.
        begin: where the search begins, if not at these.
    """
    num_members, num, num_classes = data.log_probs.shape
    flat = data.log_probs.reshape(num_members, -1)
    share = np.zeros((num, num_classes))
    share[np.arange(num), data.targets] = data.weights
    true = flat @ share.ravel()

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        combined = scipy.special.log_softmax((weights @ flat).reshape(num, -1), axis=1)
        loss = -float((share * combined).sum())
        expected = flat @ (data.weights[:, None] * np.exp(combined)).ravel()
        penalty, slope = _penalty(weights / even - 1)
        return loss + strength * penalty, expected - true + strength * slope / even

    bounds = [(0, None)] * num_members
    start = even if begin is None else begin
    found = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: np.ndarray = found.x
    return weights


def _loss(data: PoolSamples, weights: Float[np.ndarray, " m"]) -> float:
    combined = scipy.special.log_softmax(np.tensordot(weights, data.log_probs, axes=1), axis=1)
    true = combined[np.arange(len(data.targets)), data.targets]
    return -float(data.weights @ true)


def _penalty(excess: Float[np.ndarray, " m"]) -> tuple[float, Float[np.ndarray, " m"]]:
    """Return the penalty and its slope, for weights relative to equal ones, less 1."""
    linear = LINEAR_FROM * (excess - LINEAR_FROM / 2)
    penalty = np.where(excess > LINEAR_FROM, linear, excess**2 / 2).sum()
    return float(penalty), np.minimum(excess, LINEAR_FROM)
