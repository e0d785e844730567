"""Suggests the trials of a study that several workers run.

A sampler is built anew for each suggestion, from all trials of the study: no worker remembers
anything that another one would need.
"""

from collections.abc import Sequence
from hashlib import sha256

from optuna.trial import FrozenTrial

from pipeline.config.search import QMC, Grid, Search
from pipeline.search.bench import Bench
from pipeline.search.record import StudyRecord
from pipeline.search.samplers import build
from pipeline.search.space import SearchSpace
from pipeline.search.spec import StudySpec
from pipeline.search.suggestions import planned


class SharedSuggestions:
    """Adds trials to a record, while all other workers are excluded.

    Args:
        earlier: trials of another study, from which the sampler learns.
    """

    def __init__(
        self, spec: StudySpec, record: StudyRecord, earlier: Sequence[FrozenTrial] = ()
    ) -> None:
        self._spec, self._record, self._earlier = spec, record, earlier
        self._space = SearchSpace(spec.search.space)
        self._planned = planned(spec, self._space)

    @property
    def num_left(self) -> int | None:
        """The number of trials that a grid still has; None for samplers that find no end."""
        if not isinstance(self._spec.search.sampler, Grid):
            return None
        return len(self._planned) - len(self._record.frozen)

    def suggest(self, num: int, batch: int) -> list[int]:
        """Suggest and record so many trials; return their numbers."""
        return [self._suggest(batch) for _ in range(num)]

    def _suggest(self, batch: int) -> int:
        recorded = self._record.frozen
        number, sampler = len(recorded), build(_seeded(self._spec.search, len(recorded)))
        seen = [*self._earlier, *recorded]
        bench = Bench(self._spec, seen, sampler, self._record.sampler_attributes)
        for settings in self._planned[number : number + 1]:
            bench.study.enqueue_trial(self._space.encode(settings))
        trial = bench.study.ask()
        trial.set_user_attr("settings", self._space.suggest(trial))
        trial.set_user_attr("batch", batch)
        self._record.sampler_attributes = bench.attributes
        self._record.add(bench.last(1)[0])
        return number


def _seeded(search: Search, number: int) -> Search:
    """Return a search whose sampler draws differently for each trial; a sequence has one seed."""
    if isinstance(search.sampler, QMC):
        return search
    digest = sha256(f"{search.seed} {number}".encode()).digest()
    return search.model_copy(update={"seed": int.from_bytes(digest[:4])})
