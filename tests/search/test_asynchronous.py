"""The asynchronous search: keeps every place busy, and loses nothing when it is killed."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.search.choice import choose
from pipeline.search.trial import Ended, Fit
from tests.search.simulated import Simulated, run, run_once, spec
from tests.search.test_pruning import crossing
from tests.search.test_search import WAYS, fails_sometimes

ASYNC: dict[str, Any] = {"asynchronous": True, "budget": {"trials": 30}}


@pytest.mark.parametrize("way", ["tpe", "grid", "folds", "two goals", "bounded"])
@pytest.mark.parametrize("width", [1, 5])
def test_all_trials_end(way: str, width: int, tmp_path: Path) -> None:
    wanted = spec(**{**WAYS[way], "asynchronous": True, "budget": {"trials": 12}})
    trials = run_once(tmp_path, wanted, Simulated(width, fail=fails_sometimes))
    assert len(trials) == (6 if way == "grid" else 12)
    assert "RUNNING" not in {trial.state for trial in trials}
    assert choose(wanted, trials)


@pytest.mark.parametrize("pruner", ["halving", "hyperband", "median"])
def test_pruners_decide_when_a_rung_is_reached(pruner: str, tmp_path: Path) -> None:
    wanted = spec(**ASYNC, pruner={"name": pruner}, epochs=9)
    trials = run_once(tmp_path, wanted, Simulated(4, loss=crossing))
    assert {trial.state for trial in trials} == {"COMPLETE", "PRUNED"}
    assert sum(trial.num_epochs for trial in trials) < 9 * 30 * 0.75
    assert all(trial.num_epochs == 9 for trial in trials if trial.state == "COMPLETE")


class Watched(Simulated):
    """Counts the fits that run at once."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.busy: list[int] = []

    def run(self, fits: Iterable[Fit]) -> Iterator[tuple[Fit, Ended]]:
        running = 0

        def drawn() -> Iterator[Fit]:
            nonlocal running
            for fit in fits:
                running += 1
                yield fit

        for ended in super().run(drawn()):
            self.busy.append(running)
            running -= 1
            yield ended


def test_every_place_is_busy_until_the_last_trials(tmp_path: Path) -> None:
    runner = Watched(4)
    run_once(tmp_path, spec(**ASYNC, pruner={"name": "halving"}, epochs=9), runner)
    assert runner.busy[:25] == [4] * 25
    waiting = Watched(4)
    run_once(tmp_path, spec(budget={"trials": 30}, batch=5), waiting)
    assert min(waiting.busy[:25]) == 1  # a batch ends before the next is suggested


def test_how_far_it_is_stands_before_and_while_it_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_once(tmp_path, spec(asynchronous=True, epochs=3, batch=4, budget={"trials": 12}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "search cnn: 0 trials, 0 epochs done; 36 epochs to go"
    assert lines[1] == (
        "search cnn: 4 trials, 12 epochs done; 24 epochs to go, about 12 s, an estimate from a "
        "single round"  # two epochs a second
    )
    assert lines[2].endswith("24 epochs done; 12 epochs to go, about 6 s [6 s, 6 s]")
    assert lines[-1] == "search cnn: 12 trials, 36 epochs done"


def test_what_ran_when_it_was_killed_goes_on(tmp_path: Path) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(fit: Fit, attempt: int) -> None:
        if fit.number == 9:
            raise Interrupted

    wanted = spec(**ASYNC, pruner={"name": "halving"}, epochs=9)
    first = Simulated(3, fail=interrupt, loss=crossing)
    with pytest.raises(Interrupted):
        run(tmp_path, wanted, first)
    second = Simulated(3, loss=crossing)
    second.trained = first.trained
    trials = run(tmp_path, wanted, second)
    assert len(trials) == 30
    assert "RUNNING" not in {trial.state for trial in trials}
    epochs = sum(last - begin + 1 for *_, begin, last in [*first.log, *second.log])
    assert sum(trial.num_epochs for trial in trials) <= epochs
    assert len({str(trial.settings) for trial in trials}) == 30  # none was suggested twice
