"""Searches whose fits are formulas: hundreds of trials in a second, without a network."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from optuna.storages import InMemoryStorage

from pipeline.config.load import parse_params
from pipeline.config.search import Settings
from pipeline.core.files import read_yaml
from pipeline.search.journal import open_journal
from pipeline.search.run import search
from pipeline.search.spec import StudySpec
from pipeline.search.trial import Ended, Fit, Trial
from tests.conftest import ROOT

SPACE = {
    "training.lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "model.convs_per_block": {"low": 1, "high": 4},
    "model.dropout": {"choices": [0.0, 0.25, 0.5]},
}


def spec(space: dict[str, Any] = SPACE, num_folds: int | None = None, **search: Any) -> StudySpec:
    """The search of the recipe cnn, whose parameters are checked as a user's."""
    tree = read_yaml(ROOT / "params.yaml")
    tree["recipes"]["cnn"]["search"] = {
        "budget": {"trials": 20},
        "epochs": 1,
        "space": space,
    } | search
    if num_folds:
        tree["data"].update(num_folds=num_folds, val_fraction=None)
    return StudySpec.of(parse_params(tree, "test"), "cnn")


def distance(settings: Settings) -> float:
    """Lowest, 0, at lr 0.05, 3 convolutions, dropout 0.25."""
    wanted: dict[str, Any] = {"model.convs_per_block": 1, "model.dropout": 0.0, **settings}
    return (
        abs(wanted.get("training.lr", 0.005) - 0.05) * 10
        + abs(wanted["model.convs_per_block"] - 3)
        + abs(wanted["model.dropout"] - 0.25)
    )


def curve(settings: Settings, fold: int, epoch: int) -> float:
    """A loss that falls with the epochs and differs between the folds, from 1."""
    return distance(settings) + 2.0 / epoch + 0.1 * fold * (1 + distance(settings) % 0.3)


class Simulated:
    """Runs fits in a random order, `width` at a time; one goes on from where it has stopped."""

    def __init__(
        self,
        width: int = 2,
        seed: int = 0,
        loss: Callable[[Settings, int, int], float] = curve,
        fail: Callable[[Fit, int], str | None] = lambda *_: None,
        stop_early: Callable[[Settings], int] = lambda _: 10**6,
    ) -> None:
        self.width, self.chance, self.loss, self.fail = width, random.Random(seed), loss, fail
        self.stop_early = stop_early
        self.trained: dict[tuple[int, int], int] = {}
        """The epochs on disk of each trial and fold, as checkpoints hold them."""
        self.log: list[tuple[int, int, int, int]] = []
        """Trial, fold, first and last epoch of each fit that ran."""
        self.closed: list[Trial] = []
        self.seconds = 0.0
        """The time on the clock: a second per epoch, shared by those that run at once."""

    def now(self) -> float:
        return self.seconds

    def run(self, fits: Iterable[Fit]) -> Iterator[tuple[Fit, Ended]]:
        drawn, running = iter(fits), deque[Fit]()
        while True:
            while len(running) < self.width and (fit := next(drawn, None)):
                running.append(fit)
            if not running:
                return
            running.rotate(self.chance.randrange(self.width))
            done = running.pop()
            yield done, self._train(done)

    def _train(self, fit: Fit) -> Ended:
        before = self.trained.get((fit.number, fit.fold), 0)
        last = min(fit.until_epoch, self.stop_early(fit.settings))
        failure = self.fail(fit, sum(entry[:2] == (fit.number, fit.fold) for entry in self.log))
        self.log.append((fit.number, fit.fold, before + 1, last))
        self.seconds += max(0, last - before) / self.width
        if failure:
            kind, text = failure.split(": ", 1)
            return Ended(self._history(fit, before), kind, text)
        self.trained[fit.number, fit.fold] = last
        return Ended(self._history(fit, last))

    def _history(self, fit: Fit, last: int) -> dict[str, list[float]]:
        losses = [self.loss(fit.settings, fit.fold, epoch) for epoch in range(1, last + 1)]
        return {"val/log_loss": losses, "val/accuracy": [1 / (1 + loss) for loss in losses]}

    def restore(self, trials: Iterable[Trial]) -> None:
        """A log that is no file needs nothing."""

    def close(self, trials: Iterable[Trial]) -> None:
        self.closed = list(trials)


def costs(settings: Settings) -> dict[str, float]:
    """A network costs more with each convolution."""
    convs = float(settings.get("model.convs_per_block", 1))  # type: ignore[arg-type]
    return {"multiply_adds": 1000.0 * convs**2, "num_parameters": 100.0 * convs}


def run(
    folder: Path, wanted: StudySpec, runner: Simulated | None = None, earlier: Any = ()
) -> list[Trial]:
    """Run a search, or go on with the one whose files are in the folder."""
    runner = runner or Simulated()
    storage = open_journal(folder / "study.journal")
    return search(wanted, storage, folder, runner, costs, earlier, now=runner.now)


def run_once(
    folder: Path, wanted: StudySpec, runner: Simulated | None = None, earlier: Any = ()
) -> list[Trial]:
    """Run a search that nobody goes on with: nothing is flushed to the disk, so it is fast."""
    runner = runner or Simulated()
    return search(wanted, InMemoryStorage(), folder, runner, costs, earlier, now=runner.now)
