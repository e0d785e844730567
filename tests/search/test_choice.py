"""Which trial is chosen: by one objective, on a front, at its knee, within bounds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.search.choice import choose, front, knee
from tests.search.simulated import Simulated, run_once, spec

COSTS = st.lists(st.tuples(*[st.integers(0, 4)] * 2), min_size=1, max_size=12)
TWO = ["val/accuracy", "multiply_adds"]


@given(COSTS)
def test_the_front_is_what_nothing_dominates(rows: list[tuple[int, int]]) -> None:
    costs = np.array(rows, float)
    kept = front(costs)
    for place, own in enumerate(rows):
        dominated = any(o != own and o[0] <= own[0] and o[1] <= own[1] for o in rows)
        assert (place in kept) == (not dominated and own not in rows[:place])


def test_the_knee_is_where_giving_up_stops_to_pay() -> None:
    costs = np.array([[0.0, 100.0], [0.1, 20.0], [0.5, 12.0], [1.0, 10.0]])
    assert knee(costs) == 1
    assert knee(costs * [1000, 0.01]) == 1  # in any units
    assert knee(np.array([[1.0, 2.0]])) == 0


@given(COSTS, st.integers(0, 3))
def test_the_knee_of_a_front_does_not_depend_on_units(
    rows: list[tuple[int, int]], exponent: int
) -> None:
    costs = np.array(rows, float)
    costs = costs[front(costs)]
    assert knee(costs) == knee(costs * [2.0**exponent, 2.0**-exponent])


def test_best_and_knee_come_from_the_front(tmp_path: Path) -> None:
    wanted = spec(objectives=TWO, choose="knee", budget={"trials": 30})
    trials = run_once(tmp_path, wanted)
    found, kept = choose(wanted, trials)
    accuracies = [trial.values[0] for trial in kept]
    costs = [trial.values[1] for trial in kept]
    assert len(kept) > 1
    assert accuracies == sorted(accuracies, reverse=True)
    assert costs == sorted(costs, reverse=True)
    assert kept[0].values[0] == max(trial.values[0] for trial in trials)
    best, _ = choose(spec(objectives=TWO, budget={"trials": 30}), trials)
    assert best == kept[0]
    assert found in kept


def test_what_is_maximised_is_maximised(tmp_path: Path) -> None:
    wanted = spec(objectives=["val/accuracy"], pruner={"name": "halving"}, epochs=9, batch=9)
    trials = run_once(tmp_path, wanted)
    for batch in range(2):
        own = [trial for trial in trials if trial.batch == batch]
        first = {t.number: t.histories[0]["val/accuracy"][0] for t in own}
        kept = {t.number for t in own if t.num_epochs > 1}
        assert min(first[n] for n in kept) > max(first[n] for n in first.keys() - kept)


def test_a_network_that_costs_too_much_is_not_trained(tmp_path: Path) -> None:
    bound = {"metric": "multiply_adds", "at_most": 4000}
    wanted = spec(constraints=[bound], budget={"trials": 40})
    runner = Simulated()
    trials = run_once(tmp_path, wanted, runner)
    trained = {number for number, *_ in runner.log}
    for trial in trials:
        is_cheap = trial.settings["model.convs_per_block"] <= 2
        assert (trial.number in trained) == is_cheap == (trial.state == "COMPLETE")
        assert is_cheap or "multiply_adds" in trial.remark
    last = [trial.state for trial in trials[20:]]
    assert last.count("PRUNED") < len(last) / 2  # half of the space; the sampler learns that
    assert choose(wanted, trials)[0].settings["model.convs_per_block"] <= 2


def test_a_bound_on_a_score_is_kept_or_its_nearest_value_is_told(tmp_path: Path) -> None:
    bound = {"metric": "val/accuracy", "at_least": 0.3}
    wanted = spec(objectives=["multiply_adds", "val/log_loss"], constraints=[bound])
    trials = run_once(tmp_path, wanted)
    best, _ = choose(wanted, trials)
    kept = [t for t in trials if t.metrics("val/log_loss")["val/accuracy"] >= 0.3]
    assert 0 < len(kept) < len(trials)
    assert best.values[0] == min(trial.values[0] for trial in kept)
    bound["at_least"] = 0.99
    printed = (
        r"none of 20 .* keeps all constraints: val/accuracy at least 0.99, nearest 0\.\d+; loo"
    )
    with pytest.raises(UserError, match=printed):
        choose(spec(constraints=[bound]), trials)
