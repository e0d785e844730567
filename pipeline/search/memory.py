"""What is remembered of a sampler between two suggestions, and how its trials are recorded."""

import os
import pickle
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from pipeline.config.search import QMC, Search
from pipeline.search.record import StudyRecord
from pipeline.search.samplers import build


class Remembered(NamedTuple):
    """A sampler between two suggestions."""

    sampler: BaseSampler
    attributes: Mapping[str, Any]
    """What it has noted about the study."""


@runtime_checkable
class Memory(Protocol):
    """Whatever remembers a sampler."""

    def recall(self, first: int) -> Remembered:
        """Return the sampler as it is to suggest trials from this number on."""

    def record(self, remembered: Remembered, first: int, trials: Sequence[FrozenTrial]) -> None:
        """Record the trials that it has suggested, and what they have changed in it."""


class RecordMemory:
    """Remembers nothing but the record: each suggestion has a sampler of its own.

    So several workers may take turns, and none of them knows anything that another one would need.
    """

    def __init__(self, search: Search, record: StudyRecord) -> None:
        self._search, self._record = search, record

    def recall(self, first: int) -> Remembered:
        """Return a new sampler, whose seed differs from those of all trials before."""
        search = self._search
        if not isinstance(search.sampler, QMC):  # which goes on in the sequence of one seed
            digest = sha256(f"{search.seed} {first}".encode()).digest()
            search = search.model_copy(update={"seed": int.from_bytes(digest[:4])})
        return Remembered(build(search), self._record.sampler_attributes)

    def record(self, remembered: Remembered, first: int, trials: Sequence[FrozenTrial]) -> None:  # noqa: ARG002
        """Record the trials, after what their sampler has noted."""
        self._record.sampler_attributes = remembered.attributes
        for trial in trials:
            self._record.add(trial)


class _State(NamedTuple):
    """What the file holds."""

    remembered: Remembered
    first: int
    """The number of the first trial of the last batch."""
    trials: Sequence[FrozenTrial]
    """The last batch."""


class FileMemory:
    """Remembers the sampler and the last batch in a file, which is written at once.

    Only then is the batch recorded. A search that is killed anywhere in between records the same
    batch when it goes on: what was once suggested is not suggested again, neither on another
    machine nor by another version of a library.

    Args:
        file: survives if the search is killed.
    """

    def __init__(self, search: Search, record: StudyRecord, file: Path) -> None:
        self._record, self._file = record, file
        self._state = _State(Remembered(build(search), {}), 0, [])
        if file.is_file():
            self._state = pickle.loads(file.read_bytes())
            self._add(self._state.trials[len(record.frozen) - self._state.first :])

    def recall(self, first: int) -> Remembered:  # noqa: ARG002
        """Return the sampler as the last batch has left it."""
        return self._state.remembered

    def record(self, remembered: Remembered, first: int, trials: Sequence[FrozenTrial]) -> None:
        """Write the batch to the file, then record it."""
        self._state = _State(remembered, first, trials)
        _write(self._file, pickle.dumps(self._state))
        self._add(trials)

    def _add(self, trials: Sequence[FrozenTrial]) -> None:
        for trial in trials:
            self._record.add(trial)


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
