"""What runs fits, as many at once as there is room for; one engine a file in `engines`."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar, runtime_checkable

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.core.component import load
from pipeline.execution.work import Work

W = TypeVar("W", bound=Work)


@runtime_checkable
class Engine(Protocol):
    """Runs work in processes of its own."""

    @property
    def width(self) -> int:
        """Return how much work runs at once."""

    def run(self, works: Iterable[W]) -> Iterator[tuple[W, Exception | None]]:
        """Run all work, and yield each with its error as it ends, in the order of completion.

        What was done before is yielded without being run again.

        Args:
            works: drawn from lazily, whenever there is room.
        """


def open_engine(execution: Execution, hardware: Hardware) -> AbstractContextManager[Engine]:
    """Return the engine that the parameters choose; leaving it ends all that still runs.

    Args:
        hardware: what each fit needs.
    """
    chosen = load("engine", execution.engine)
    started: AbstractContextManager[Engine] = chosen.start(execution.engine, execution, hardware)
    return started
