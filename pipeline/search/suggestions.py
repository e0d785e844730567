"""Suggests batches of trials, and remembers the sampler between them.

A batch is suggested on a bench and written to a file together with the sampler, at once; only then
is it recorded. A search that is killed anywhere in between records the same batch when it goes on:
what was once suggested is not suggested again, neither on another machine nor by another version of
a library.
"""

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from pipeline.config.search import Grid
from pipeline.search.bench import Bench
from pipeline.search.record import StudyRecord
from pipeline.search.samplers import build
from pipeline.search.space import SearchSpace
from pipeline.search.spec import StudySpec


@runtime_checkable
class Suggests(Protocol):
    """Whatever adds trials to a record."""

    @property
    def num_left(self) -> int | None:
        """The number of trials that a grid still has; None for samplers that find no end."""

    def suggest(self, num: int, batch: int) -> list[int]:
        """Suggest and record so many trials; return their numbers."""


class _State(NamedTuple):
    """What the file holds."""

    sampler: BaseSampler
    attributes: dict[str, Any]
    """What the sampler has noted about the study."""
    first: int
    """The number of the first trial of the last batch."""
    trials: list[FrozenTrial]
    """The last batch."""


class Suggestions:
    """Adds trials to a record.

    Args:
        file: survives if the search is killed.
        earlier: trials of another study, from which the sampler learns.
    """

    def __init__(
        self, spec: StudySpec, record: StudyRecord, file: Path, earlier: Sequence[FrozenTrial] = ()
    ) -> None:
        self._spec, self._record, self._file, self._earlier = spec, record, file, earlier
        self._space = SearchSpace(spec.search.space)
        self._planned = planned(spec, self._space)
        self._state = _State(build(spec.search), {}, 0, [])
        if file.is_file():
            self._state = pickle.loads(file.read_bytes())
            self._complete()

    @property
    def num_left(self) -> int | None:
        """The number of trials that a grid still has; None for samplers that find no end."""
        if not isinstance(self._spec.search.sampler, Grid):
            return None
        return len(self._planned) - len(self._record.frozen)

    def suggest(self, num: int, batch: int) -> list[int]:
        """Suggest and record so many trials; return their numbers."""
        recorded, sampler = self._record.frozen, self._state.sampler
        seen = [*self._earlier, *recorded]
        bench = Bench(self._spec, seen, sampler, self._state.attributes)
        first = len(recorded)
        for settings in self._planned[first : first + num]:
            bench.study.enqueue_trial(self._space.encode(settings))
        for _ in range(num):
            trial = bench.study.ask()
            trial.set_user_attr("settings", self._space.suggest(trial))
            trial.set_user_attr("batch", batch)
        self._state = _State(sampler, bench.attributes, first, bench.last(num))
        _write(self._file, pickle.dumps(self._state))
        self._complete()
        return list(range(first, first + num))

    def _complete(self) -> None:
        """Record those trials of the last batch that are not recorded yet."""
        for trial in self._state.trials[len(self._record.frozen) - self._state.first :]:
            self._record.add(trial)


def planned(spec: StudySpec, space: SearchSpace) -> list[dict[str, Any]]:
    """Return the settings to begin with: the recipe as written, and all of a grid."""
    written = space.written(spec.recipe)
    if not isinstance(spec.search.sampler, Grid):
        return [written]
    grid = space.grid()
    return sorted(grid, key=lambda settings: settings != written)  # stable: it comes first


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
