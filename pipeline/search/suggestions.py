"""Suggests trials: a sampler sees all that is recorded, on a bench, and its trials are recorded."""

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from pipeline.config.search import Grid
from pipeline.search.bench import Bench, seen
from pipeline.search.memory import Memory, Remembered
from pipeline.search.record import StudyRecord
from pipeline.search.space import SearchSpace
from pipeline.search.spec import StudySpec


class Suggestions:
    """Adds trials to a record.

    Args:
        memory: of the sampler, which also records its trials.
        earlier: trials of another study, from which the sampler learns.
    """

    def __init__(
        self,
        spec: StudySpec,
        record: StudyRecord,
        memory: Memory,
        earlier: Sequence[FrozenTrial] = (),
    ) -> None:
        self._spec, self._record, self._memory, self._earlier = spec, record, memory, earlier
        self._space = SearchSpace(spec.search.space)
        self._planned = _planned(spec, self._space)
        self._ended: list[FrozenTrial] = []

    @property
    def num_left(self) -> int | None:
        """The number of trials that a grid still has; None for samplers that find no end."""
        if not isinstance(self._spec.search.sampler, Grid):
            return None
        return len(self._planned) - len(self._record.frozen)

    def suggest(self, num: int, batch: int) -> list[int]:
        """Suggest and record so many trials; return their numbers."""
        recorded = self._record.frozen
        first = len(recorded)
        sampler, attributes = self._memory.recall(first)
        bench = Bench(self._spec, self._shown(recorded), sampler, attributes)
        for settings in self._planned[first : first + num]:
            bench.study.enqueue_trial(self._space.encode(settings))
        for _ in range(num):
            trial = bench.study.ask()
            trial.set_user_attr("settings", self._space.suggest(trial))
            trial.set_user_attr("batch", batch)
        self._memory.record(Remembered(sampler, bench.attributes), first, bench.trials[-num:])
        return list(range(first, first + num))

    def _shown(self, recorded: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return all trials as the sampler sees them; those before the first that runs stay so."""
        for trial in recorded[len(self._ended) :]:
            if not trial.state.is_finished():
                break
            self._ended.append(seen(trial, self._spec))
        return [*self._earlier, *self._ended, *recorded[len(self._ended) :]]


def _planned(spec: StudySpec, space: SearchSpace) -> list[dict[str, Any]]:
    """Return the settings to begin with: the recipe as written, and all of a grid."""
    written = space.written(spec.recipe)
    if not isinstance(spec.search.sampler, Grid):
        return [written]
    grid = space.grid()
    return sorted(grid, key=lambda settings: settings != written)  # stable: it comes first
