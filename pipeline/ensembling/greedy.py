"""Greedy selection with replacement, as in R. Caruana et al., Ensemble Selection from Libraries of
Models, ICML 2004.

The best members start it, as many as do best together. Then, again and again, the member that
helps the mean most is added; a member's weight is how often it was. The shortest such ensemble
with the lowest loss is kept. All this is done in several random halves of a large pool, whose
ensembles are averaged: no member that shone on validation by luck is in all of them.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from pipeline.component import Component
from pipeline.ensembling._weights import apply, apply_values, likelihoods
from pipeline.space import State

__all__ = ["APART", "Params", "apply", "apply_values", "fit", "fit_values"]

APART = False
GROUP = 8  # samples whose likelihoods, FLOOR or more, are multiplied to take one log of them all

Losses = Callable[[np.ndarray, slice], np.ndarray]
"""Of ensembles that hold each member so often, and one more of those in the slice."""


class Params(Component):
    """How members are added, and in how many parts of the pool."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")

    num_rounds: Annotated[int, Field(ge=1)] = 50
    sorted_start: bool = True
    """false starts from nothing."""
    num_bags: Annotated[int, Field(ge=1)] = 20
    """Parts of the pool; 1 takes the whole of it."""
    bag_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the members, in one bag."""
    least_in_bag: Annotated[int, Field(ge=1)] = 20
    """A pool of no more members is one bag: in smaller bags useless members would be alone."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def fit(
    params: Params, log_probs: Float[np.ndarray, "m n k"], targets: Int[np.ndarray, " n"]
) -> State:
    """Weights with a low log-loss."""
    table = likelihoods(log_probs, targets)
    return _bagged(params, len(table), lambda bag: _log_losses(table[bag]))


def fit_values(
    params: Params, values: Float[np.ndarray, "m n t"], targets: Float[np.ndarray, "n t"]
) -> State:
    """Weights with a low squared error, which is a quadratic form in them."""
    errors = (values - targets).reshape(len(values), -1)
    gram = errors @ errors.T / errors.shape[1]
    return _bagged(params, len(gram), lambda bag: _squared_errors(gram[np.ix_(bag, bag)]))


def _bagged(params: Params, num_members: int, losses_of: Callable[[np.ndarray], Losses]) -> State:
    alone = losses_of(np.arange(num_members))(np.zeros(num_members), slice(None))
    ranked = np.argsort(alone, kind="stable")
    bags = [ranked[bag] for bag in _bags(params, num_members)]
    weights = np.zeros(num_members)
    for bag in bags:
        weights[bag] += _selected(params, losses_of(bag), len(bag)) / len(bags)
    return {"weights": weights}


def _bags(params: Params, num_members: int) -> list[Int[np.ndarray, " b"]]:
    """Ranks of the members in each bag, the best first."""
    size = max(round(params.bag_fraction * num_members), params.least_in_bag)
    if params.num_bags == 1 or size >= num_members:
        return [np.arange(num_members)]
    random = np.random.default_rng(params.seed)
    return [np.sort(random.permutation(num_members)[:size]) for _ in range(params.num_bags)]


def _selected(params: Params, losses: Losses, num_members: int) -> Float[np.ndarray, " m"]:
    """The share of each member in an ensemble; they come sorted, the best first."""
    counts = kept = np.zeros(num_members)
    lowest = np.inf
    if params.sorted_start:
        lowest, counts = _start(losses, num_members)
        kept = counts
    for _ in range(params.num_rounds):
        after = losses(counts, slice(None))
        counts = counts + (np.arange(num_members) == after.argmin())
        if after.min() < lowest:
            lowest, kept = after.min(), counts
    shares: np.ndarray = kept / kept.sum()
    return shares


def _start(losses: Losses, num_members: int) -> tuple[float, Float[np.ndarray, " m"]]:
    """The best members, as many as have the lowest loss together; and that loss."""
    place = np.arange(num_members)
    found = [losses((place < last).astype(float), slice(last, last + 1))[0] for last in place]
    return min(found), (place <= np.argmin(found)).astype(float)


def _log_losses(table: Float[np.ndarray, "m n"]) -> Losses:
    """Up to a constant. `table` holds likelihoods; see GROUP."""
    num_samples = table.shape[1]
    # Ones add the log of the size, the same for all.
    table = np.pad(table, ((0, 0), (0, -num_samples % GROUP)), constant_values=1.0)
    room = np.empty_like(table)  # used again and again: a fresh array costs more than its logs

    def losses(counts: np.ndarray, added: slice) -> np.ndarray:
        mixed = np.add(counts @ table, table[added], out=room[added])
        products = mixed.reshape(len(mixed), GROUP, -1).prod(axis=1)
        summed = table.shape[1] * np.log(counts.sum() + 1) - np.log(products).sum(axis=1)
        return np.asarray(summed / num_samples)

    return losses


def _squared_errors(gram: Float[np.ndarray, "m m"]) -> Losses:
    def losses(counts: np.ndarray, added: slice) -> np.ndarray:
        crossed = gram @ counts
        summed = counts @ crossed + 2 * crossed[added] + gram.diagonal()[added]
        made: np.ndarray = summed / (counts.sum() + 1) ** 2
        return made

    return losses
