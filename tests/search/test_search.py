"""A search: repeats for any number of fits at once, goes on after a kill, and keeps the best."""

import math
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend

from pipeline.config.recipes import override
from pipeline.config.search import Settings
from pipeline.core.errors import UserError
from pipeline.search import memory
from pipeline.search.choice import choose, chosen
from pipeline.search.spec import StudySpec
from pipeline.search.trial import Fit, Trial
from tests.search.simulated import Simulated, distance, run, run_once, spec

SAMPLERS = [{"name": name} for name in ("tpe", "gp", "cma_es", "qmc", "random")]
CHOICES = {
    "training.optimiser.name": {"choices": ["adamw", "sgd"]},
    "training.optimiser.momentum": {
        "choices": [0.0, 0.9], "if": {"training.optimiser.name": "sgd"},
    },
    "model.widths": {"choices": [[8, 16], [16, 32]]},
}  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {
    **{f"{one['name']}": {"sampler": one, "budget": {"trials": 14}} for one in SAMPLERS},
    "grid": {"sampler": {"name": "grid"}, "space": CHOICES, "batch": 3},
    "conditional": {"space": {**CHOICES, "training.lr": {"low": 0.01, "high": 0.1}}},
    "halving": {"pruner": {"name": "halving"}, "epochs": 9, "batch": 9},
    "hyperband": {"pruner": {"name": "hyperband"}, "epochs": 9, "batch": 9},
    "median": {"pruner": {"name": "median", "startup_trials": 2}, "epochs": 9, "batch": 3},
    "wilcoxon": {"pruner": {"name": "wilcoxon"}, "num_folds": 5, "folds": 5, "batch": 4},
    "folds": {"num_folds": 3, "folds": 3, "batch": 3},
    "two goals": {"objectives": ["val/accuracy", "multiply_adds"], "batch": 4},
    "bounded": {"constraints": [{"metric": "multiply_adds", "at_most": 9000}]},
    "epochs": {"budget": {"epochs": 50}, "epochs": 9, "pruner": {"name": "halving"}, "batch": 9},
}


def fails_sometimes(fit: Fit, attempt: int) -> str | None:
    """Trial 3 crashes once, 5 for good, and 6 diverges."""
    if fit.number == 3 and attempt == 0:
        return "crashed: the device has vanished"
    if fit.number == 5:
        return "crashed: no memory"
    return "diverged: the loss is not finite" if fit.number == 6 else None


def known(trials: list[Trial]) -> list[Any]:
    """All that is known of trials but how often a fit was started."""
    return [
        (t.number, t.settings, t.state, t.batch, t.histories, t.values, t.error) for t in trials
    ]


def test_the_first_trial_is_the_recipe_as_written(tmp_path: Path) -> None:
    first = run_once(tmp_path, spec())[0]
    assert first.settings == {
        "training.lr": 0.005, "model.convs_per_block": 1, "model.dropout": 0.0,
    }  # fmt: skip


def test_another_seed_gives_another_study(tmp_path: Path) -> None:
    one, other = run_once(tmp_path / "a", spec()), run_once(tmp_path / "b", spec(seed=1))
    assert known(one) != known(other)


@pytest.mark.parametrize("way", WAYS)
def test_the_number_of_fits_at_once_changes_nothing(way: str, tmp_path: Path) -> None:
    """Nor does the order in which they end."""
    wanted = spec(**WAYS[way])
    alone = run_once(tmp_path / "1", wanted, Simulated(1, fail=fails_sometimes))
    assert len(alone) >= 6
    for width in (2, 20):
        runner = Simulated(width, seed=width, fail=fails_sometimes)
        assert known(run_once(tmp_path / f"{width}", wanted, runner)) == known(alone)
    states = [trial.state for trial in alone]
    assert states[3] != "FAIL"
    if not wanted.search.constraints:
        assert (states[5], alone[5].error) == ("FAIL", "no memory")


class Killed(BaseException):
    """Ends a search at once."""


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int, *, before: bool) -> None:
    """End the search at its n-th write to the disk, before or after it."""
    append, write, done = JournalFileBackend.append_logs, memory._write, []

    def counted(writes: Any) -> Any:
        def killing(*arguments: Any) -> None:
            done.append(1)
            if len(done) == number and before:
                raise Killed
            writes(*arguments)
            if len(done) == number:
                raise Killed

        return killing

    monkeypatch.setattr(JournalFileBackend, "append_logs", counted(append))
    monkeypatch.setattr(memory, "_write", counted(write))


@pytest.mark.parametrize("way", ["gp", "halving", "median", "wilcoxon", "grid", "qmc", "two goals"])
def test_killed_at_any_write_it_ends_the_same(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = spec(**{**WAYS[way], "budget": {"trials": 12}})
    whole = Simulated(fail=fails_sometimes)
    alone = run(tmp_path / "alone", wanted, whole)
    journal = (tmp_path / "alone/study.journal").read_text().splitlines()
    for number in range(1, len(journal), 1 + len(journal) // 10):
        folder, runner = tmp_path / f"{number}", Simulated(fail=fails_sometimes)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_at(patch, number, before=bool(number % 2))
            run(folder, wanted, runner)
        with (folder / "study.journal").open("a") as file:
            file.write('{"op_code":8,"wor')  # a line that was torn
        again = Simulated(seed=1, fail=lambda fit, n: fails_sometimes(fit, n + (fit.number == 3)))
        again.trained = runner.trained
        assert known(run(folder, wanted, again)) == known(alone)
        trained = [*runner.log, *again.log]
        assert all(num_epochs(trained, n) == num_epochs(whole.log, n) for n in (0, 1, 2, 4, 7, 8))


def num_epochs(log: list[tuple[int, int, int, int]], number: int) -> int:
    """The epochs that the fits of a trial have trained."""
    return sum(max(0, last - first + 1) for other, _, first, last in log if other == number)


def test_a_search_that_is_over_runs_nothing_again(tmp_path: Path) -> None:
    wanted = spec(pruner={"name": "halving"}, epochs=9, batch=9)
    before = run(tmp_path, wanted)
    again = Simulated()
    assert known(run(tmp_path, wanted, again)) == known(before)
    assert not again.log
    assert known(again.closed) == known(before)


@pytest.mark.parametrize(("num_trials", "batch"), [(7, 3), (1, 4), (6, 1)])
def test_batches_are_filled_and_numbered(num_trials: int, batch: int, tmp_path: Path) -> None:
    trials = run_once(tmp_path, spec(budget={"trials": num_trials}, batch=batch))
    assert [trial.number for trial in trials] == list(range(num_trials))
    assert [trial.batch for trial in trials] == [n // batch for n in range(num_trials)]


def test_what_is_chosen_is_the_best_trial_and_complete(tmp_path: Path) -> None:
    wanted = spec(budget={"trials": 40})
    trials = run_once(tmp_path, wanted)
    best, front = choose(wanted, trials)
    assert front == [best]
    assert best.values[0] == min(trial.values[0] for trial in trials)
    result = chosen(wanted.recipe, best)
    assert result.training.lr == best.settings["training.lr"]
    assert result.model.model_dump()["dropout"] == best.settings["model.dropout"]
    assert result.training.batch_size == wanted.recipe.training.batch_size
    assert result.search is None
    assert distance(best.settings) < distance(trials[0].settings)


def test_nothing_searched_is_the_recipe_as_written() -> None:
    recipe = spec().recipe
    assert chosen(recipe, None) == recipe.model_copy(update={"search": None})


def test_settings_are_values_that_the_recipe_allows(tmp_path: Path) -> None:
    wanted = spec(**WAYS["conditional"])
    for trial in run_once(tmp_path, wanted):
        recipe = override(wanted.recipe, trial.settings)
        is_sgd = trial.settings["training.optimiser.name"] == "sgd"
        assert ("training.optimiser.momentum" in trial.settings) == is_sgd
        assert recipe.training.optimiser.name == trial.settings["training.optimiser.name"]
        assert recipe.model.model_dump()["widths"] in ((8, 16), (16, 32))


def test_a_grid_tries_everything_once_and_the_recipe_first(tmp_path: Path) -> None:
    wanted = spec(**WAYS["grid"], budget={"trials": 100})
    settings = [trial.settings for trial in run_once(tmp_path, wanted)]
    assert len(settings) == 3 * 2
    assert len({tuple(sorted(one.items())) for one in settings}) == 6
    assert settings[0] == {"training.optimiser.name": "adamw", "model.widths": (8, 16)}


def test_a_failed_trial_keeps_its_error_and_is_started_as_often_as_allowed(tmp_path: Path) -> None:
    runner = Simulated(fail=fails_sometimes)
    trials = run_once(tmp_path, spec(retries=2), runner)
    assert [trials[n].state for n in (3, 5, 6)] == ["COMPLETE", "FAIL", "FAIL"]
    assert [trials[n].error for n in (3, 5, 6)] == [
        "", "no memory", "the loss is not finite",
    ]  # fmt: skip
    starts = [number for number, *_ in runner.log]
    assert [starts.count(n) for n in (2, 3, 5, 6)] == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("failure", "printed"),
    [
        ("diverged: not finite", "every trial diverged; search lower values of training.lr"),
        (
            "crashed: no such device",
            "none of 6 trials is complete, 6 have failed; trial 5: no such",
        ),
    ],
)
def test_a_search_in_which_nothing_works_ends_early(
    failure: str, printed: str, tmp_path: Path
) -> None:
    runner = Simulated(fail=lambda *_: failure)
    with pytest.raises(UserError, match=printed):
        run_once(tmp_path, spec(budget={"trials": 1000}), runner)
    assert {number for number, *_ in runner.log} == set(range(6))


def test_a_storage_with_another_space_is_refused_before_a_fit(tmp_path: Path) -> None:
    run(tmp_path, spec(budget={"trials": 2}))
    runner = Simulated()
    other: StudySpec = spec(space={"training.lr": {"low": 0.1, "high": 0.2}})
    with pytest.raises(UserError, match=r"holds a study of cnn with another space, .*; allowed "):
        run(tmp_path, other, runner)
    assert not runner.log


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full at hand")
def test_a_full_disk_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    wanted = spec()
    alone = run(tmp_path / "alone", wanted)
    folder, runner = tmp_path / "full", Simulated()
    folder.mkdir()

    def fill(fit: Fit, attempt: int) -> None:
        if fit.number == 6:
            (folder / "sampler.part").symlink_to("/dev/full")

    runner.fail = fill  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space left on device"):
        run(folder, wanted, runner)
    (folder / "sampler.part").unlink()
    again = Simulated()
    assert known(run(folder, wanted, again)) == known(alone)
    assert {number for number, *_ in again.log} == set(range(8, 20))


def test_what_diverged_is_avoided(tmp_path: Path) -> None:
    """A sampler that took it for a failure of the machine would suggest it again and again."""

    def fail(fit: Fit, attempt: int) -> str | None:
        return "diverged: inf" if fit.settings["training.lr"] > 0.01 else None

    def loss(settings: Settings, *_: int) -> float:
        return abs(settings["training.lr"] - 0.005)  # lowest near the edge

    space = {"training.lr": {"low": 1e-4, "high": 1e-1, "log": True}}
    wanted = spec(space=space, budget={"trials": 60})
    trials = run_once(tmp_path, wanted, Simulated(fail=fail, loss=loss))
    last = [trial.state for trial in trials[30:]]
    assert last.count("FAIL") < len(last) / 3
    assert math.isfinite(choose(wanted, trials)[0].values[0])
