"""A trial: its settings, and the metrics of its fits so far."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal, NamedTuple

from pipeline.config.search import Settings

State = Literal["RUNNING", "COMPLETE", "PRUNED", "FAIL"]
History = dict[str, list[float]]
"""The metrics of a fit by name, one value for each epoch."""


class Fit(NamedTuple):
    """A part of a trial: train on one fold up to the end of a rung."""

    number: int
    """The number of the trial."""
    settings: Settings
    fold: int
    until_epoch: int


class Ended(NamedTuple):
    """How a fit has ended."""

    history: History
    kind: Literal["done", "diverged", "crashed"] = "done"
    error: str = ""


@dataclass(frozen=True)
class Trial:
    """What is known of a trial."""

    number: int
    settings: Settings
    state: State = "RUNNING"
    batch: int = 0
    """The batch it was suggested in."""
    histories: Mapping[int, History] = field(default_factory=dict)
    """The history of the fit of each fold."""
    reached: Mapping[int, int] = field(default_factory=dict)
    """The epoch up to which the fit of each fold is known; all, where it has stopped early."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """Why the fit of a fold failed for good."""
    crashes: Mapping[int, int] = field(default_factory=dict)
    """How often the fit of a fold has crashed."""
    costs: Mapping[str, float] = field(default_factory=dict)
    is_diverged: bool = False
    num_decided: int = 0
    """The number of rungs after which it was decided to go on, in an asynchronous search."""
    values: tuple[float, ...] = ()
    """The objectives, if it is complete."""
    worker: str = ""
    """Which worker runs it, or has run it; empty where there is only one."""
    remark: str = ""
    """Why it was not trained to the end, where no rung has decided so."""

    @property
    def num_epochs(self) -> int:
        """The epochs that were trained, over all folds."""
        return sum(len(next(iter(history.values()), [])) for history in self.histories.values())

    @property
    def error(self) -> str:
        """The error of its first fold that failed; empty without any."""
        return self.errors[min(self.errors)] if self.errors else ""

    def needs(self, fold: int, until_epoch: int) -> bool:
        """Return whether a fit still has to be run."""
        is_open = self.state == "RUNNING" and fold not in self.errors
        return is_open and not self.has_reached((fold,), until_epoch)

    def has_reached(self, folds: Iterable[int], until_epoch: int) -> bool:
        """Return whether the fits of these folds have come so far."""
        return all(self.reached.get(fold, 0) >= until_epoch for fold in folds)

    def metrics(
        self, monitor: str, until_epoch: int | None = None, fold: int | None = None
    ) -> dict[str, float]:
        """Return the means over the folds, at the epoch that each fit would keep, and the costs.

        Args:
            monitor: the metric whose lowest value is kept.
            until_epoch: leave later epochs out.
            fold: take this one alone.
        """
        histories = self.histories.values() if fold is None else [self.histories[fold]]
        kept = [_kept(history, monitor, until_epoch) for history in histories]
        means = {name: fmean(fold[name] for fold in kept) for name in (kept[0] if kept else ())}
        return {**means, **self.costs}


def _kept(history: History, monitor: str, until_epoch: int | None) -> dict[str, float]:
    watched = history[monitor][:until_epoch]
    best = watched.index(min(watched))
    return {name: values[best] for name, values in history.items()}
