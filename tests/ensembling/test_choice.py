"""The choice of the ensemble: the preferred one, unless evidence speaks for another."""

import numpy as np
import pytest

from pipeline.core.component import make
from pipeline.ensembling import choice
from pipeline.ensembling.choice import Candidate
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.folds import folds
from pipeline.ensembling.truth import Truth
from tests.ensembling.pools import distributions, prediction_type

METHODS = ("best", "geometric", "greedy", "mean", "weighted_geometric")


def fitted(table: np.ndarray, targets: np.ndarray, methods=METHODS) -> dict[str, Candidate]:
    names = [f"m{place}" for place in range(len(table))]
    val = Validation(
        prediction_type("classes"),
        Truth.plain(targets),
        folds(np.arange(len(targets)), 5, 0),
        [make("calibrator", "temperature")],
        lambda _: Decision("most_probable"),
    )
    found = {name: fit(make("method", name), names, table, val) for name in methods}
    return {
        name: Candidate(own, (own.held_out.argmax(axis=1) == targets).astype(float))
        for name, own in found.items()
    }


def members(skills: list[float], num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, num)
    shared = 0.6 * rng.normal(size=(num, 4))
    return distributions(
        np.stack([
            skill * np.eye(4)[targets] + shared + 0.8 * rng.normal(size=(num, 4))
            for skill in skills
        ])
    ), targets  # fmt: skip


def chosen(candidates: dict[str, Candidate]) -> str:
    num = len(next(iter(candidates.values())).headline)
    return choice.ensemble(candidates, Truth.plain(np.zeros(num, int)))


def test_among_equals_it_weighs_all_and_beside_one_strong_member_that_one() -> None:
    equals = fitted(*members([2.5] * 5, 500, 0))
    weights = equals["weighted_geometric"].fitted.combiner.states[0]["weights"]
    assert chosen(equals) == "weighted_geometric"
    assert weights.min() > 0.5 * weights.mean()
    uneven = fitted(*members([3.5, 0.8, 0.8, 0.8, 0.8], 500, 0))
    weights = uneven["weighted_geometric"].fitted.combiner.states[0]["weights"]
    assert weights[0] > 0.7 * weights.sum()


@pytest.mark.parametrize("seed", range(4))
def test_weights_among_unlike_members_come_near_the_best_member(
    seed: int,
) -> None:
    candidates = fitted(*members([3.5, 0.8, 0.8, 0.8, 0.8], 500, seed))
    loss = candidates["weighted_geometric"].fitted.loss
    assert loss < candidates["mean"].fitted.loss - 0.1
    assert loss < candidates["best"].fitted.loss + 0.02


def test_another_is_chosen_where_it_is_ahead_in_both_and_only_there() -> None:
    candidates = fitted(*members([2.5] * 5, 500, 0))
    first = candidates["weighted_geometric"]
    better = Candidate(fit_with(first, first.fitted.own_losses - 0.05), np.ones(500))
    assert chosen({**candidates, "mean": better}) == "mean"
    luckier = Candidate(better.fitted, first.headline)  # a lower loss, no better decision
    assert chosen({**candidates, "mean": luckier}) == "weighted_geometric"
    surer = Candidate(first.fitted, better.headline)  # better decisions, no lower loss
    assert chosen({**candidates, "mean": surer}) == "weighted_geometric"


def fit_with(first: Candidate, losses: np.ndarray):
    from dataclasses import replace

    own = first.fitted
    name = own.combiner.calibrator
    return replace(own, losses={name: losses}, mean_losses={name: float(losses.mean())})


@pytest.mark.parametrize(("num_behind", "expected"), [(3, "weighted_geometric"), (6, "best")])
def test_what_is_clearly_behind_the_best_member_is_not_deployed(
    num_behind: int, expected: str
) -> None:
    """Errors on j of 500 samples more are about the root of j standard errors; two are asked."""
    candidates = fitted(*members([2.5] * 5, 500, 0))
    behind = {
        name: Candidate(
            own.fitted, ((name == "best") | (np.arange(500) >= num_behind)).astype(float)
        )
        for name, own in candidates.items()
    }
    assert chosen(behind) == expected


def test_the_best_member_is_the_one_that_decides_best_then_the_one_of_the_lowest_loss() -> None:
    table, targets = members([1.0, 2.5], 300, 0)
    alone = {f"m{place}": fitted(table[[place]], targets, ("best",))["best"] for place in range(2)}
    assert choice.member(alone) == "m1"
    blind = {name: Candidate(own.fitted, np.ones(300)) for name, own in alone.items()}
    assert choice.member(blind) == "m1"
