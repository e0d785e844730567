"""The section `execution`: how fits are started and watched. It changes no result."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.config.messages import WORDED
from pipeline.config.types import Positive
from pipeline.core.component import Choice, Component, Strict, make

Engine: TypeAlias = Annotated[Component, Choice("engine")]


STORAGE = re.compile(r"postgresql://[^/]*/[^/]+|sqlite:////.+")


def _no_secret(given: object) -> object:
    """Refuse an address without repeating it, since it may hold a password."""
    if given is None or (isinstance(given, str) and STORAGE.fullmatch(given)):
        return given
    text = (
        "got no address of a storage; allowed null, postgresql://user@host:5432/database or "
        "sqlite:////path/file.db"
    )
    raise PydanticCustomError(WORDED, "{text}", {"text": text})


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
    search_storage: Annotated[str | None, BeforeValidator(_no_secret)] = Field(
        default=None, exclude=True, repr=False
    )
    """The database that keeps the studies of asynchronous searches, where several machines run
    trials of one study: postgresql://user@host:5432/database, or sqlite:////path/file.db for
    several commands of one machine; null: a file that only the search itself uses. It is never
    written anywhere, as it may hold a password; better keep that in ~/.pgpass."""
    heartbeat_s: Positive = 30
    """How often a worker shows in that database that it is there; after three times as long, its
    trials are tried again by others."""
