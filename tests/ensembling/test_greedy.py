"""Greedy selection, compared with the procedure in the paper."""

import numpy as np
import pytest

from pipeline.ensembling.methods import greedy
from pipeline.ensembling.truth import Truth
from tests.ensembling.pools import pool


def log_loss(mean: np.ndarray, targets: np.ndarray) -> float:
    return float(-np.log(mean[np.arange(len(targets)), targets]).mean())


def squared_error(mean: np.ndarray, targets: np.ndarray) -> float:
    return float(((mean - targets) ** 2).mean())


def naive(predictions: np.ndarray, targets: np.ndarray, loss, rounds: int, sorted_start: bool):
    """Return weights by Caruana's procedure, over whole predictions and without shortcuts."""
    ranked = sorted(range(len(predictions)), key=lambda m: loss(predictions[m], targets))
    starts = [ranked[:size] for size in range(1, len(ranked) + 1)] if sorted_start else []
    held = min(starts, key=lambda held: loss(predictions[held].mean(0), targets), default=[])
    ensembles = [held] if held else []
    for _ in range(rounds):
        held = min(
            ([*held, m] for m in range(len(predictions))),
            key=lambda held: loss(predictions[held].mean(0), targets),
        )
        ensembles.append(held)
    best = min(ensembles, key=lambda held: loss(predictions[held].mean(0), targets))
    return np.bincount(best, minlength=len(predictions)) / len(best)


def uneven(kind: str, num_members: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return members of unequal quality, and 83 samples, which do not fill whole groups."""
    table, targets = pool(kind, num_members, 83, seed=seed)
    wrong = table[:, np.random.default_rng(seed).permutation(83)]
    share = np.linspace(0, 0.6, num_members)[:, None, None]
    if kind == "values":
        return (1 - share) * table + share * wrong, targets
    return np.log((1 - share) * np.exp(table) + share * np.exp(wrong)), targets


@pytest.mark.parametrize("sorted_start", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_procedure_of_the_paper(seed: int, sorted_start: bool) -> None:
    table, targets = uneven("classes", 6, seed)
    params = greedy.Params(name="greedy", num_rounds=15, sorted_start=sorted_start)
    expected = naive(np.exp(table), targets, log_loss, 15, sorted_start)
    np.testing.assert_allclose(greedy.fit(params, table, Truth.plain(targets))["weights"], expected)


@pytest.mark.parametrize("sorted_start", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_so_it_is_for_values(seed: int, sorted_start: bool) -> None:
    table, targets = uneven("values", 6, seed)
    params = greedy.Params(name="greedy", num_rounds=15, sorted_start=sorted_start)
    expected = naive(table, targets, squared_error, 15, sorted_start)
    np.testing.assert_allclose(
        greedy.fit_values(params, table, Truth.plain(targets))["weights"], expected
    )


def test_bags_are_averaged() -> None:
    """Each bag of the sorted pool is selected from as if there were no other member."""
    table, targets = uneven("classes", 12, 0)
    params = greedy.Params(name="greedy", num_rounds=5, num_bags=4, least_in_bag=2, seed=3)
    ranked = np.argsort([log_loss(member, targets) for member in np.exp(table)])
    rng, expected = np.random.default_rng(3), np.zeros(12)
    for _ in range(4):
        bag = ranked[np.sort(rng.permutation(12)[:6])]
        expected[bag] += naive(np.exp(table[bag]), targets, log_loss, 5, True) / 4
    np.testing.assert_allclose(greedy.fit(params, table, Truth.plain(targets))["weights"], expected)


def test_a_small_pool_is_one_bag() -> None:
    table, targets = uneven("classes", 12, 0)
    params = greedy.Params(name="greedy", num_rounds=5)
    expected = naive(np.exp(table), targets, log_loss, 5, True)
    np.testing.assert_allclose(greedy.fit(params, table, Truth.plain(targets))["weights"], expected)
