"""What goes on after a rung, against the papers and against Optuna's own loop."""

import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline.search.rungs import batch_size, most_epochs, num_kept, rungs
from pipeline.search.space import SearchSpace
from pipeline.search.trial import Trial
from tests.search.simulated import Simulated, curve, run_once, spec

HALVING = {"pruner": {"name": "halving", "factor": 3}, "epochs": 27, "batch": 27}


def crossing(settings: Any, fold: int, epoch: int) -> float:
    """A loss by which early and late ranks differ."""
    return curve(settings, fold, epoch) + math.sin(1e6 * settings["training.lr"]) / epoch


def losses(trials: list[Trial], until: int) -> dict[int, float]:
    """The lowest loss of each trial that has come so far."""
    found = {trial.number: trial.histories[0]["val/log_loss"][:until] for trial in trials}
    return {number: min(values) for number, values in found.items() if len(values) == until}


def test_halving_trains_the_best_third_of_each_rung_three_times_as_long(tmp_path: Path) -> None:
    wanted, runner = spec(**HALVING, budget={"trials": 27}), Simulated(3, loss=crossing)
    trials = run_once(tmp_path, wanted, runner)
    there = set(range(27))
    for until, kept in ((1, 9), (3, 3), (9, 1)):
        reached = losses(trials, until)
        assert set(reached) == there
        there = set(sorted(reached, key=lambda number: reached[number])[:kept])
    assert [t.number for t in trials if t.state == "COMPLETE"] == list(there)
    assert sum(t.state == "PRUNED" for t in trials) == 26
    assert sum(t.num_epochs for t in trials) == most_epochs(wanted.search, 0, 27) == 27 * 4 - 27
    # A promoted trial goes on from its checkpoint: no epoch is trained twice.
    assert sum(last - first + 1 for _, _, first, last in runner.log) == 27 * 4 - 27


def test_the_brackets_of_hyperband_are_those_of_the_paper() -> None:
    """Table 1 of Li et al., without its last two of 81 epochs: 27, 12, 6 and 4 trials."""
    search = spec(pruner={"name": "hyperband", "factor": 3}, epochs=27, batch=27).search
    first = [27, 12, 6, 4]
    for batch in range(8):
        size, plan = batch_size(search, batch), rungs(search, batch)
        assert size == first[batch % 4]
        assert [rung.until_epoch for rung in plan] == [1, 3, 9, 27][batch % 4 :]
        sizes = [size]
        for _ in plan[1:]:
            sizes.append(num_kept(search, sizes[-1]) or 0)
        assert sizes == [[27, 9, 3, 1], [12, 4, 1], [6, 2], [4]][batch % 4]


def test_hyperband_runs_its_brackets_in_turn(tmp_path: Path) -> None:
    wanted = spec(**{**HALVING, "pruner": {"name": "hyperband"}}, budget={"trials": 49 + 5})
    trials = run_once(tmp_path, wanted, Simulated(4, loss=crossing))
    sizes = [sum(trial.batch == batch for trial in trials) for batch in range(5)]
    assert sizes == [27, 12, 6, 4, 5]
    least = [min(t.num_epochs for t in trials if t.batch == batch) for batch in range(4)]
    assert least == [1, 3, 9, 27]
    assert all(any(t.state == "COMPLETE" for t in trials if t.batch == b) for b in range(5))


def in_optuna(settings: Any, fits: list[tuple[int, int]], pruner: Any, folds: int) -> list[Any]:
    """The study that Optuna's own loop makes, where it reports the same values."""
    space = SearchSpace(settings.search.space)

    def objective(trial: optuna.Trial) -> float:
        chosen, done = space.suggest(trial), []
        for fold, until in fits:
            done.append(min(crossing(chosen, fold, epoch) for epoch in range(1, until + 1)))
            trial.report(done[-1], fold if folds > 1 else until)
            if (fold, until) != fits[-1] and trial.should_prune():
                raise optuna.TrialPruned
        return sum(done) / len(done) if folds > 1 else done[-1]

    sampler = optuna.samplers.TPESampler(seed=settings.search.seed, constant_liar=True)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.enqueue_trial(space.encode(space.written(settings.recipe)))
    study.optimize(objective, n_trials=settings.search.budget.trials)
    return [(t.params, t.state.name, t.value if t.state.name == "COMPLETE" else None)
            for t in study.trials]  # fmt: skip


def ours(trials: list[Trial]) -> list[Any]:
    return [(t.settings, t.state, t.values[0] if t.values else None) for t in trials]


def test_one_by_one_the_median_prunes_what_optuna_prunes(tmp_path: Path) -> None:
    pruner = {"name": "median", "startup_trials": 3}
    wanted = spec(pruner=pruner, epochs=9, batch=1, budget={"trials": 40})
    trials = run_once(tmp_path, wanted, Simulated(1, loss=crossing))
    reference = optuna.pruners.MedianPruner(n_startup_trials=3)
    assert ours(trials) == in_optuna(wanted, [(0, 1), (0, 3), (0, 9)], reference, 1)
    assert {trial.state for trial in trials} == {"COMPLETE", "PRUNED"}


def test_one_by_one_wilcoxon_prunes_what_optuna_prunes(tmp_path: Path) -> None:
    pruner, num = {"name": "wilcoxon", "p_threshold": 0.2}, 6
    wanted = spec(pruner=pruner, num_folds=num, folds=num, batch=1, budget={"trials": 40})
    trials = run_once(tmp_path, wanted, Simulated(1, loss=crossing))
    reference = optuna.pruners.WilcoxonPruner(p_threshold=0.2)
    fits = [(fold, 1) for fold in range(num)]
    expected = in_optuna(wanted, fits, reference, num)
    assert [one[:2] for one in ours(trials)] == [one[:2] for one in expected]
    for (*_, value), (*_, reference_value) in zip(ours(trials), expected, strict=True):
        assert value == pytest.approx(reference_value)
    assert {trial.state for trial in trials} == {"COMPLETE", "PRUNED"}


def test_a_fit_that_stops_early_is_complete_and_competes_with_its_best(tmp_path: Path) -> None:
    """Patience may end it within a rung; what it has reached counts in all later ones."""
    wanted = spec(**HALVING, budget={"trials": 27})
    best = losses(run_once(tmp_path / "a", wanted, Simulated(loss=crossing)), 27)
    runner = Simulated(loss=crossing, stop_early=lambda _: 5)
    trials = run_once(tmp_path / "b", wanted, runner)
    (winner,) = [trial for trial in trials if trial.state == "COMPLETE"]
    assert winner.num_epochs == 5
    assert len(best) == 1
    assert max(last for *_, last in runner.log) == 5
    assert sum(number == winner.number for number, *_ in runner.log) == 3  # no fourth start
