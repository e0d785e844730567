"""Runs several fits at once, each in a process of its own, on this machine."""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Protocol, runtime_checkable

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.execution.fit_process import FitProcess
from pipeline.execution.job import Job


@runtime_checkable
class Engine(Protocol):
    """Whatever runs fits."""

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Exception | None]]:
        """Run fits, as many at once as there is room for, and yield each as it ends.

        Args:
            jobs: drawn from when a place is free.

        Yields:
            Each job with its error, in order of completion.
        """


class LocalEngine:
    """Runs fits on this machine."""

    def __init__(self, num_places: int) -> None:
        self._num_places = num_places
        self._running: dict[str, FitProcess] = {}

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Exception | None]]:
        """See `Engine`."""
        waiting, ended = iter(jobs), Queue[tuple[Job, BaseException | None]]()
        while True:
            while len(self._running) < self._num_places and (job := next(waiting, None)):
                self._start(job, ended)
            if not self._running:
                return
            done, error = ended.get()
            self._close(done.folder)
            if error is None or isinstance(error, Exception):
                yield done, error
            else:
                raise error

    def close(self) -> None:
        """End all fits that still run."""
        for folder in list(self._running):
            self._close(folder)

    def _start(self, job: Job, ended: "Queue[tuple[Job, BaseException | None]]") -> None:
        """Start a fit from this thread; another one waits for it."""
        process = self._running[job.folder] = FitProcess(job, Path(job.folder) / "job.json")

        def wait() -> None:
            try:
                process.wait()
            except BaseException as error:
                ended.put((job, error))
            else:
                ended.put((job, None))

        Thread(target=wait, daemon=True).start()

    def _close(self, folder: str) -> None:
        self._running.pop(folder).__exit__(None, None, None)


def open_engine(execution: Execution, hardware: Hardware) -> AbstractContextManager[Engine]:  # noqa: ARG001
    """Open the engine that the parameters choose; leaving the context ends all fits."""
    return _local(max(1, (os.cpu_count() or 1) // hardware.threads))


@contextmanager
def _local(num_places: int) -> Iterator[Engine]:
    engine = LocalEngine(num_places)
    try:
        yield engine
    finally:
        engine.close()
