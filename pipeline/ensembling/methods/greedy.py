"""Greedy selection with replacement, as in R. Caruana et al., Ensemble Selection from Libraries of
Models, ICML 2004.

It starts with the best members, as many as do best together. It then repeatedly adds the member
that helps the mean most; a member's weight is how often it was added. The shortest such ensemble
with the lowest loss is kept. All this is done in several random halves of a large pool, whose
ensembles are averaged: no member that did well on validation by luck is in all of them.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth
from pipeline.ensembling.weights import apply, apply_values, forward, forward_values, likelihoods

__all__ = [
    "PER_LABEL", "Params", "apply", "apply_values", "fit", "fit_values", "forward",
    "forward_values",
]  # fmt: skip

PER_LABEL = False
GROUP = 8  # samples whose likelihoods, FLOOR or more, are multiplied before one log is taken

Loss = Callable[[np.ndarray, np.ndarray | int], np.ndarray]
"""Computes ensembles' losses from sums of their members' rows in a table, and their sizes."""


class Params(Component):
    """How members are added, and in how many subsets of the pool."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")

    num_rounds: Annotated[int, Field(ge=1)] = 50
    sorted_start: bool = True
    """false starts from an empty ensemble."""
    num_bags: Annotated[int, Field(ge=1)] = 20
    """Number of bags, random subsets of the pool; 1 takes the whole pool."""
    bag_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the members in one bag."""
    least_in_bag: Annotated[int, Field(ge=1)] = 20
    """A pool of no more members is one bag: smaller bags might hold only useless ones."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def fit(params: Params, log_probs: Float[np.ndarray, "m n k"], truth: Truth) -> State:
    """Return weights with a low log-loss."""
    table = likelihoods(log_probs, truth.targets)
    if not truth.is_even:
        return _bagged(params, table, partial(_weighted_log_loss, truth.weights))
    missing = -table.shape[1] % GROUP  # padded with ones, whose mean is always 1 and adds no loss
    return _bagged(params, np.pad(table, ((0, 0), (0, missing)), constant_values=1.0), _log_loss)


def fit_values(params: Params, values: Float[np.ndarray, "m n t"], truth: Truth) -> State:
    """Return weights with a low squared error."""
    errors = (values - truth.targets).reshape(len(values), -1)
    short = np.asarray(np.linalg.qr(errors.T, mode="r")).T  # keeps the norms of sums of errors
    return _bagged(params, np.ascontiguousarray(short), _squared_error)


def _bagged(params: Params, table: Float[np.ndarray, "m n"], loss: Loss) -> State:
    ranked = np.argsort(loss(table, 1), kind="stable")
    bags = [ranked[bag] for bag in _bags(params, len(table))]
    weights = np.zeros(len(table))
    for bag in bags:
        weights[bag] += _selected(params, table[bag], loss) / len(bags)
    return {"weights": weights}


def _bags(params: Params, num_members: int) -> list[Int[np.ndarray, " b"]]:
    """Return the ranks of the members in each bag, the best first."""
    size = max(round(params.bag_fraction * num_members), params.least_in_bag)
    if params.num_bags == 1 or size >= num_members:
        return [np.arange(num_members)]
    random = np.random.default_rng(params.seed)
    return [np.sort(random.permutation(num_members)[:size]) for _ in range(params.num_bags)]


def _selected(
    params: Params, table: Float[np.ndarray, "m n"], loss: Loss
) -> Float[np.ndarray, " m"]:
    """Return the share of each member in the ensemble; members come sorted, the best first."""
    room = np.empty_like(table)  # reused: a fresh array costs more than its logs
    counts, lowest = np.zeros(len(table)), np.inf
    if params.sorted_start:
        losses = loss(np.cumsum(table, axis=0, out=room), np.arange(len(table)) + 1)
        counts[: losses.argmin() + 1], lowest = 1, losses.min()
    kept, total, num_started = counts, counts @ table, int(counts.sum())
    for size in range(num_started + 1, num_started + params.num_rounds + 1):
        losses = loss(np.add(total, table, out=room), size)
        counts = counts + (np.arange(len(table)) == losses.argmin())
        total += table[losses.argmin()]
        if losses.min() < lowest:
            kept, lowest = counts, losses.min()
    shares: np.ndarray = kept / kept.sum()
    return shares


def _log_loss(sums: Float[np.ndarray, "c n"], sizes: Int[np.ndarray, " c"] | int) -> np.ndarray:
    """Return the log-loss from likelihoods, up to a constant."""
    products = sums.reshape(len(sums), GROUP, -1).prod(axis=1)
    return np.asarray(sums.shape[1] * np.log(sizes) - np.log(products).sum(axis=1))


def _weighted_log_loss(
    weights: Float[np.ndarray, " n"],
    sums: Float[np.ndarray, "c n"],
    sizes: Int[np.ndarray, " c"] | int,
) -> np.ndarray:
    return np.asarray(sums.shape[1] * np.log(sizes) - np.log(sums) @ weights)


def _squared_error(
    sums: Float[np.ndarray, "c n"], sizes: Int[np.ndarray, " c"] | int
) -> np.ndarray:
    return np.asarray((sums**2).sum(axis=1) / np.square(sizes))
