"""Runs work on the places of this machine, each in a process of its own."""

import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

from pipeline.core.errors import UserError
from pipeline.core.lock import HeldError
from pipeline.execution.fit_process import POLL_S, Environment, FitProcess
from pipeline.execution.fork_server import starter_of
from pipeline.execution.messages import FitError
from pipeline.execution.slots import Place, Slot, take
from pipeline.execution.table import LiveTable
from pipeline.execution.work import Work

W = TypeVar("W", bound=Work)


class _Begun:
    """Work that has a place. Its process starts when no other command is at the same work."""

    def __init__(self, work: Any, slot: Slot, environment: Environment) -> None:
        self.work, self._slot = work, slot
        self._environment = {**slot.place.environment, **environment}
        self._process: FitProcess | None = None

    def is_ended(self) -> bool:
        """Start the process if that is due, and return whether the work has succeeded."""
        if self._process:
            return self._process.is_ended()
        if self.work.is_done:
            return True
        with suppress(HeldError):  # wait until the other command is done with it
            start = starter_of(self.work)
            self._process = FitProcess(self.work, start, self._environment, wait_s=0.0)
        return False

    def terminate(self) -> None:
        if self._process:
            self._process.terminate()

    def close(self) -> None:
        if self._process:
            self._process.close()
        self._slot.free()


class Running:
    """The engine of one machine.

    Args:
        places: where work can run.
    """

    def __init__(self, places: list[Place]) -> None:
        self._places = places
        self.width = len(places)
        self._begun: list[_Begun] = []
        self._table = LiveTable(self.width)

    def run(self, works: Iterable[W]) -> Iterator[tuple[W, Exception | None]]:
        """Run all work, and yield each with its error as it ends; see `Engine`."""
        self._table.num_all += len(works) if isinstance(works, Sized) else 0
        waiting, is_drawn = iter(works), False
        while self._begun or not is_drawn:
            while self._has_room and not is_drawn and (slot := take(self._places)):
                work = next(waiting, None)
                if work is None:
                    slot.free()
                    is_drawn = True
                else:
                    self._begun.append(_Begun(work, slot, self._table.environment))
                    self._table.add(work, slot.place.name)
            yield from self._ended()
            self._table.refresh()
            time.sleep(POLL_S)

    @property
    def _has_room(self) -> bool:
        return len(self._begun) < self.width

    def _ended(self) -> Iterator[tuple[W, Exception | None]]:
        for begun in list(self._begun):
            error: Exception | None = None
            try:
                if not begun.is_ended():
                    continue
            except (UserError, FitError) as failed:
                error = failed
            self._begun.remove(begun)
            begun.close()
            self._table.remove(begun.work)
            yield begun.work, error

    def stop(self) -> None:
        """Ask all that runs to leave, and wait until it has."""
        for begun in self._begun:
            begun.terminate()
        with ExitStack() as stack:
            for begun in self._begun:
                stack.callback(begun.close)
        self._begun.clear()
        self._table.close()
