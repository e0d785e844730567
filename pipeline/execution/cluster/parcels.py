"""Inputs and outputs of work on nodes that share no disk.

Inputs travel once to each node, by content: a node keeps them in a folder of its own, and links
them where the work looks for them. What the work has written comes back as the outcome of the task.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from socket import gethostname
from typing import Any, NamedTuple

from pipeline.core.errors import FULL, UserError
from pipeline.core.lock import hold
from pipeline.core.paths import DONE
from pipeline.execution.messages import message_files
from pipeline.execution.work import JOB_FILE, Work

FETCH_S = 3600.0  # how long a task waits for another one of its node that fetches the same
CHECKPOINT = ".ckpt"
LEFT_BEHIND = ("lock", DONE, JOB_FILE, "output.txt")

Files = dict[str, bytes]
"""The contents of files, by their paths in the repository."""


class Piece(NamedTuple):
    """A file that work reads."""

    path: str
    digest: str
    held: tuple[Any, ...]
    """One reference to the content; in a tuple, since Ray would send the content itself."""


class Parcel(NamedTuple):
    """What is sent along with work."""

    inputs: tuple[Piece, ...]
    state: Files
    """What earlier work has left in the folders of this work, such as checkpoints."""


class Packer:
    """Packs parcels; each content is put into Ray's object store once.

    Args:
        put: stores bytes, and returns a reference to them.
    """

    def __init__(self, put: Callable[[bytes], Any]) -> None:
        self._put = put
        self._held: dict[str, Any] = {}

    def pack(self, work: Work) -> Parcel:
        """Pack what some work reads.

        Raises:
            UserError: it reads something that lies outside the repository.
        """
        inputs = []
        for path in _files(work.inputs):
            if path.is_absolute():
                raise UserError(
                    f"{path}: lies outside the repository, and the nodes share no disk; copy it "
                    "below the repository and name it by its path from there"
                )
            digest = _digest(path, path.stat().st_mtime_ns, path.stat().st_size)
            if digest not in self._held:
                self._held[digest] = self._put(path.read_bytes())
            inputs.append(Piece(f"{path}", digest, (self._held[digest],)))
        return Parcel(tuple(inputs), written(work))


def unpack(parcel: Parcel, folder: Path, fetch: Callable[[Any], bytes]) -> None:
    """Put the files of a parcel where work looks for them.

    Args:
        folder: what stands for the repository.
        fetch: returns the bytes behind a reference.
    """
    for piece in parcel.inputs:
        link = folder / piece.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(_fetched(piece, fetch))
    write(parcel.state, folder)


def written(work: Work) -> Files:
    """Return what some work has written; without checkpoints where its result is there."""
    folder, result = Path(work.folder), work.result
    files = set(_files([folder, Path(work.spool), *([result] if result else [])]))
    files -= {*message_files(folder), *(folder / name for name in LEFT_BEHIND)}
    skipped = {".part", CHECKPOINT} if result and result.exists() else {".part"}
    return {f"{path}": path.read_bytes() for path in files if path.suffix not in skipped}


def logged(work: Work) -> Files:
    """Return what some work has logged."""
    return {f"{path}": path.read_bytes() for path in _files([Path(work.spool)])}


def write(files: Files, folder: Path) -> None:
    """Write files below a folder.

    Raises:
        UserError: the disk is full.
    """
    for name, content in files.items():
        _write(folder / name, content)


def cache_folder() -> Path:
    """Return the folder of this node for inputs and for work that runs."""
    folder = Path(tempfile.gettempdir()) / f"convoy-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fetched(piece: Piece, fetch: Callable[[Any], bytes]) -> Path:
    path = cache_folder() / "inputs" / piece.digest
    with hold(path.with_suffix(".lock"), piece.path, FETCH_S):
        if not path.exists():
            _write(path, fetch(piece.held[0]))
    return path


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        if error.errno not in FULL:
            raise
        raise UserError(
            f"{path}: the disk of {gethostname()} is full; free some space and run the same "
            "command again"
        ) from None
    unfinished.replace(path)


def _files(roots: Iterable[Path]) -> list[Path]:
    """Return the files that are or lie below some paths."""
    found = []
    for root in roots:
        inner = (path for path in root.rglob("*") if path.is_file())
        found += [root] if root.is_file() else sorted(inner)
    return found


@cache
def _digest(path: Path, changed_ns: int, size: int) -> str:  # noqa: ARG001  # keys of the cache
    return sha256(path.read_bytes()).hexdigest()
