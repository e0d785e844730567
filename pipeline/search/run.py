"""Runs a study from its record to the end of its budget."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from pipeline.search.asynchronous import run_asynchronously
from pipeline.search.batches import run_in_batches
from pipeline.search.memory import FileMemory, Memory, RecordMemory
from pipeline.search.record import StudyRecord
from pipeline.search.shared import heart
from pipeline.search.spec import StudySpec
from pipeline.search.study import Costs, Study
from pipeline.search.suggestions import Suggestions
from pipeline.search.team import Team
from pipeline.search.trial import Ended, Fit, Trial


@runtime_checkable
class Runner(Protocol):
    """Whatever runs the fits of trials."""

    def run(self, fits: Iterable[Fit]) -> Iterator[tuple[Fit, Ended]]:
        """Run fits as there is room for them, and yield each as it ends."""

    def restore(self, trials: Iterable[Trial]) -> None:
        """Log again what the fits of earlier sessions have logged."""

    def close(self, trials: Iterable[Trial]) -> None:
        """Mark each trial with its state; once it is over, its run shows that it is."""


def search(
    spec: StudySpec,
    storage: BaseStorage,
    folder: Path,
    runner: Runner,
    costs: Costs,
    earlier: Sequence[FrozenTrial] = (),
    now: Callable[[], float] = time.monotonic,
    team: Team | None = None,
) -> list[Trial]:
    """Run a study to its end, from where an earlier session has left it; return its trials.

    Args:
        storage: the record of all trials.
        folder: survives with the storage, and holds the state of the sampler.
        earlier: trials of another study, from which the sampler learns.
        team: the part that this process takes in a study that several workers run.

    Raises:
        UserError: the storage has a study over another space, the first trials have all failed, or
            a fit refuses to run.
    """
    record = StudyRecord(storage, f"{folder}", spec, team)
    runner.restore(record.own)
    runner.close(trial for trial in record.own if trial.state != "RUNNING")
    if spec.search.asynchronous:
        memory: Memory = RecordMemory(spec.search, record)
    else:
        memory = FileMemory(spec.search, record, folder / "sampler.pkl")
    suggestions = Suggestions(spec, record, memory, earlier)
    study = Study(
        spec, record, suggestions, runner.run, costs, now, lambda trial: runner.close([trial])
    )
    with heart(record):
        (run_asynchronously if spec.search.asynchronous else run_in_batches)(study)
    runner.close(record.trials)
    return record.trials
