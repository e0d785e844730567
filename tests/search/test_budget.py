"""Budgets end a search cleanly, and its forecast covers what then happens."""

import random
from pathlib import Path

import pytest

from pipeline.core.errors import UserError
from pipeline.search.forecast import CONFIDENCE, duration, forecast
from tests.search.simulated import Simulated, run, run_once, spec

HALVING = {"pruner": {"name": "halving"}, "epochs": 9, "batch": 9}


def test_epochs_are_not_exceeded_and_each_begun_batch_ends(tmp_path: Path) -> None:
    """A batch of nine trains 9 + 3 × 2 + 6 = 21 epochs; five trials, with one that goes on, 13."""
    for epochs, sizes in ((21, [9]), (42, [9, 9]), (55, [9, 9, 5]), (9, [1])):
        wanted = spec(**HALVING, budget={"epochs": epochs})
        trials = run_once(tmp_path / f"{epochs}", wanted)
        found = [sum(t.batch == b for t in trials) for b in range(trials[-1].batch + 1)]
        assert found == sizes
        assert sum(trial.num_epochs for trial in trials) <= epochs
        assert {trial.state for trial in trials} <= {"COMPLETE", "PRUNED"}
        assert sum(trial.state == "COMPLETE" for trial in trials) == len(sizes)


def test_the_first_limit_ends_it(tmp_path: Path) -> None:
    budget = {"trials": 5, "epochs": 1000, "hours": 1.0}
    assert len(run_once(tmp_path, spec(budget=budget))) == 5


@pytest.mark.parametrize("batch", [1, 4])
def test_no_fit_begins_once_the_hours_are_used_up(batch: int, tmp_path: Path) -> None:
    wanted = spec(budget={"hours": 10 / 3600}, epochs=3, batch=batch)
    runner = Simulated(width=1)  # a second for each epoch
    trials = run_once(tmp_path, wanted, runner)
    assert runner.seconds == 12
    assert [trial.state for trial in trials[:4]] == ["COMPLETE"] * 4
    assert len(trials) == 4


def test_trials_that_time_has_cut_short_are_pruned_and_say_so(tmp_path: Path) -> None:
    wanted = spec(**HALVING, budget={"hours": 12 / 3600})
    trials = run_once(tmp_path, wanted, Simulated(width=1))
    assert len(trials) == 9
    assert all(trial.state == "PRUNED" for trial in trials)
    remarks = [trial.remark for trial in trials]
    assert remarks.count("the time of budget.hours was used up") == 3  # six were pruned before
    assert remarks.count("") == 6


def test_the_hours_are_those_of_all_sessions(tmp_path: Path) -> None:
    wanted = spec(budget={"hours": 10 / 3600}, epochs=3, batch=1)

    class Interrupted(BaseException):
        pass

    def interrupt(fit, attempt):
        if fit.number == 2:
            raise Interrupted

    first = Simulated(width=1, fail=interrupt)
    with pytest.raises(Interrupted):
        run(tmp_path, wanted, first)
    second = Simulated(width=1)
    second.trained = first.trained
    assert len(run(tmp_path, wanted, second)) == 4
    assert first.seconds == 6
    assert second.seconds == 6


def test_a_search_that_completes_nothing_says_what_to_do(tmp_path: Path) -> None:
    from pipeline.search.choice import choose

    wanted = spec(**HALVING, budget={"hours": 5 / 3600})
    trials = run_once(tmp_path, wanted, Simulated(width=1))
    with pytest.raises(
        UserError, match="none of 9 trials is complete, 0 have failed; allow a larger"
    ):
        choose(wanted, trials)


def test_how_far_it_is_stands_before_and_after_each_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pruner = {"name": "median", "startup_trials": 2}
    run_once(tmp_path, spec(epochs=9, batch=2, pruner=pruner, budget={"trials": 6}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "search cnn: 0 trials, 0 epochs done; 6 to 54 epochs to go"
    assert lines[1].startswith("search cnn: 2 trials, 18 epochs done; 4 to 36 epochs to go, about ")
    assert lines[1].endswith(" s]")
    assert lines[-1].startswith("search cnn: 6 trials, ")
    assert lines[-1].endswith("epochs done")


@pytest.mark.parametrize("num_rounds", [2, 3, 10])
def test_the_forecast_covers_as_often_as_it_says(num_rounds: int) -> None:
    """Rounds of one length whose seconds per epoch vary by a fifth."""
    chance, hits, num_future = random.Random(num_rounds), 0, 8
    for _ in range(2000):
        rates = [chance.gauss(1.0, 0.2) for _ in range(num_rounds + num_future)]
        rounds = [(6, 6 * rate) for rate in rates[:num_rounds]]
        found = forecast(rounds, 6 * num_future, 6 * num_future)
        assert found
        hits += found.low <= 6 * sum(rates[num_rounds:]) <= found.high
    assert abs(hits / 2000 - CONFIDENCE) < 0.025


def test_nothing_is_forecast_from_nothing() -> None:
    assert forecast([], 3, 3) is None
    assert forecast([(0, 1.0)], 3, 3) is None
    assert str(forecast([(2, 8.0)], 3, 3)) == "about 12 s, an estimate from a single round"


def test_durations_are_written_in_the_unit_that_suits_them() -> None:
    assert [duration(s) for s in (0.2, 89.0, 91.0, 5399.0, 5401.0)] == [
        "0 s", "89 s", "2 min", "90 min", "1.5 h",
    ]  # fmt: skip
