"""How a process takes part in a study: as the only one, or as one of several workers."""

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from pipeline.core.files import write_whole

CODE = ("pipeline/", "stages/")


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


def difference(held: Mapping[str, str], own: Mapping[str, str]) -> str:
    """Say in which parts a study differs from the work of this process."""
    changed = [key for key in sorted({*held, *own}) if held.get(key) != own.get(key)]
    code = [key for key in changed if key.startswith(CODE)]
    data = [key for key in changed if "/" in key and key not in code]
    others = [key for key in changed if "/" not in key]
    kinds = {"another version of the code": code, "other parameters": others, "other data": data}
    found = [f"{kind} ({', '.join(keys[:3])})" for kind, keys in kinds.items() if keys]
    return " and ".join(found) or "other inputs"
