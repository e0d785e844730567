"""How a process takes part in a study: as the only one, or as one of several workers."""

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from pipeline.core.files import write_whole


@dataclass(frozen=True)
class Team:
    """One worker, and what it shares with the others."""

    study: str = ""
    """The name of the study in the storage; empty: the name of the recipe."""
    worker: str = ""
    """The name of this worker; empty: there are no others."""
    alone: Callable[[], AbstractContextManager[object]] = nullcontext
    """Excludes all other workers from the study for a moment; may not be nested."""
    heartbeat_s: int = 0
    """How often this worker shows the others that it is there."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What the study is made of: values of parameters, and hashes of code and data."""

    @property
    def is_shared(self) -> bool:
        """Whether other workers may take part."""
        return bool(self.worker)


def worker_name(folder: Path) -> str:
    """Return the name of the worker that keeps its fits in a folder.

    A worker that was killed has the same name when it starts again, and goes on with its trials.
    """
    file = folder / "worker"
    if not file.is_file():
        write_whole(file, f"{socket.gethostname()} {uuid4().hex[:8]}")
    return file.read_text()
