"""A weighted geometric mean whose weights leave simple ones only for good evidence.

The logarithmic opinion pool of C. Genest and J. Zidek, Combining Probability Distributions: A
Critique and an Annotated Bibliography, 1986, section 4. Equal weights are hard to beat where
members are alike, and wrong where one is much better than the others. Three things move
the weights away from equality, and each takes fewer samples to find than the next:

- each member's own temperature, so that one that is too sure of itself counts for no more;
- a power of the information that each member has about the targets, in nats: at 0 all count alike,
  and the higher it is, the more does the best one alone;
- the weights with the lowest log-loss, held near those by a penalty: quadratic around them, and
  linear, as in P. Huber, Robust Estimation of a Location Parameter, 1964, for a member that counts
  for much more.

Cross-validation chooses the power and the strength of the penalty (`bench/choice.py`).
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
from pipeline.ensembling.weights import forward_logs as forward

__all__ = ["PER_LABEL", "Params", "apply", "fit", "forward"]

PER_LABEL = False
LINEAR_FROM = 0.5  # of a member's weight relative to its simple one, less 1
LEAST_TOTAL = 0.02  # of simple weights: members that know nothing would have none
LEAST_KNOWN = 1e-3  # of the information that a member has, relative to the best one
MOST_SAMPLES = 2000  # to choose power and strength on: more take longer and choose no better


class Params(Component):
    """How unequal the weights may be; inner cross-validation chooses."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")

    powers: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)] = (
        0.0, 1.0, 2.0, 4.0, 8.0,
    )  # fmt: skip
    """Powers of the information that a member has, in simple weights."""
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


class Skill(NamedTuple):
    """What each of m members can do alone."""

    sureness: Float[np.ndarray, " m"]
    """The inverse of its best temperature."""
    information: Float[np.ndarray, " m"]
    """By how many nats it lowers the log-loss that the shares of the classes have, relative to the
    best member."""


def fit(params: Params, log_probs: Float[np.ndarray, "m n k"], truth: Truth) -> State:
    """Find the weights ≥ 0 with the lowest penalised log-loss, which is convex in them.

    In the search their sum is free, as the inverse of a temperature, and the penalty is on their
    distance from simple weights of the best sum. Then the sum is made 1, since temperatures are for
    calibrators to find.
    """
    data = PoolSamples(log_probs, truth.targets, truth.weights)
    some, units = _some(data, truth.units, params.seed)
    fold_of = inner_folds(units, params.num_folds, params.seed)
    power, simple_of = _power(params, some, fold_of)
    strength = _strength(params, some, fold_of, simple_of)
    simple = _simple(data, _skill(some), power)
    weights = _weights(data, strength, simple)
    found = weights.sum()
    return {"weights": weights / found} if found else equal(len(log_probs))


def _some(
    data: PoolSamples, units: Int[np.ndarray, " n"], seed: int
) -> tuple[PoolSamples, Int[np.ndarray, " s"]]:
    """Return enough of the samples to choose on, and their units."""
    num_parts = min(-(-len(units) // MOST_SAMPLES), len(np.unique(units)))
    if num_parts < 2:
        return data, units
    are_taken = folds(units, num_parts, seed) == 0
    return data.of(are_taken), units[are_taken]


def _power(
    params: Params, data: PoolSamples, fold_of: Int[np.ndarray, " n"]
) -> tuple[float, dict[int, Float[np.ndarray, " m"]]]:
    """Return the power with the lowest log-loss on samples left out, and its weights by fold."""
    losses, made = np.zeros(len(params.powers)), {}
    for fold in np.unique(fold_of).tolist():
        seen, unseen = data.of(fold_of != fold), data.of(fold_of == fold)
        skill = _skill(seen)
        made[fold] = [_simple(seen, skill, power) for power in params.powers]
        losses += [_loss(unseen, weights) for weights in made[fold]]
    best = int(losses.argmin())
    return params.powers[best], {fold: weights[best] for fold, weights in made.items()}


def _strength(
    params: Params,
    data: PoolSamples,
    fold_of: Int[np.ndarray, " n"],
    simple_of: dict[int, Float[np.ndarray, " m"]],
) -> float:
    """Return the strength with the lowest log-loss on samples left out.

    The search runs from the strongest on, as long as the loss falls.
    """
    strengths = sorted(params.strengths, reverse=True)
    found, kept, lowest = dict(simple_of), strengths[0], np.inf
    for strength in strengths if len(strengths) > 1 else []:
        loss = 0.0
        for fold, simple in simple_of.items():
            found[fold] = _weights(data.of(fold_of != fold), strength, simple, found[fold])
            loss += _loss(data.of(fold_of == fold), found[fold])
        if loss >= lowest:
            break
        lowest, kept = loss, strength
    return kept


def _skill(data: PoolSamples) -> Skill:
    alone = [data._replace(log_probs=data.log_probs[[i]]) for i in range(len(data.log_probs))]
    sureness = [_total(own) for own in alone]
    losses = np.array([_loss(*each) for each in zip(alone, sureness, strict=True)])
    shares = np.bincount(data.targets, data.weights)
    gains = scipy.special.entr(shares / shares.sum()).sum() * shares.sum() - losses
    best = gains.max()
    known = gains / best if best > 0 else np.ones(len(gains))
    return Skill(np.concatenate(sureness), np.maximum(known, LEAST_KNOWN))


def _simple(data: PoolSamples, skill: Skill, power: float) -> Float[np.ndarray, " m"]:
    """Return the weights that the members' skill alone gives, with the best sum."""
    weights: np.ndarray = skill.sureness * skill.information**power
    weights /= weights.sum()
    pooled = np.tensordot(weights, data.log_probs, axes=1)[None]
    weights *= _total(data._replace(log_probs=pooled))
    return weights


def _total(data: PoolSamples) -> Float[np.ndarray, " 1"]:
    """Return the best weight of the only member, held near 1 where there is little evidence."""
    total: np.ndarray = np.maximum(_weights(data, 1.0, np.ones(1)), LEAST_TOTAL)
    return total


def _weights(
    data: PoolSamples,
    strength: float,
    simple: Float[np.ndarray, " m"],
    begin: Float[np.ndarray, " m"] | None = None,
) -> Float[np.ndarray, " m"]:
    """Minimise the sum of log-losses plus the penalty.

    Args:
        simple: the weights without a penalty.
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
        penalty, slope = _penalty(weights / simple - 1)
        return loss + strength * penalty, expected - true + strength * slope / simple

    bounds = [(0, None)] * num_members
    start = simple if begin is None else begin
    found = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: np.ndarray = found.x
    return weights


def _loss(data: PoolSamples, weights: Float[np.ndarray, " m"]) -> float:
    combined = scipy.special.log_softmax(np.tensordot(weights, data.log_probs, axes=1), axis=1)
    true = combined[np.arange(len(data.targets)), data.targets]
    return -float(data.weights @ true)


def _penalty(excess: Float[np.ndarray, " m"]) -> tuple[float, Float[np.ndarray, " m"]]:
    """Return the penalty and its slope, for weights relative to simple ones, less 1."""
    linear = LINEAR_FROM * (excess - LINEAR_FROM / 2)
    penalty = np.where(excess > LINEAR_FROM, linear, excess**2 / 2).sum()
    return float(penalty), np.minimum(excess, LINEAR_FROM)
