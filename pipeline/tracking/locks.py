"""Locks that all processes of a repository share."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.core.paths import SCRATCH
from pipeline.tracking import address


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock of the repository."""
    path = address.ROOT / SCRATCH / f"{name}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
