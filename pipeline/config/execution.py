"""The section `execution`: how fits are started and watched. It changes no result."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from pipeline.config.types import Positive
from pipeline.core.component import Choice, Component, Strict, make

Engine: TypeAlias = Annotated[Component, Choice("engine")]


def _local() -> Component:
    return make("engine", "local")


class Execution(Strict):
    """How fits run. No stage depends on it, so a change repeats no work."""

    engine: Engine = Field(default_factory=_local)
    """Where fits run, and how many at once: a file in pipeline/execution/engines."""
    command: str | None = None
    """The command that starts one process per device across several nodes, such as `srun --nodes 2
    --ntasks-per-node 8`."""
    loader_workers: Annotated[int, Field(ge=0)] = 0
    """Processes that read and augment images for one device; 0 uses the process of the fit."""
    timeout_s: Positive = 300
    """How long a process of a fit waits for the others before it gives up."""
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    """Lightning's profiler, whose report goes to `.convoy/profiles`; null disables it."""
