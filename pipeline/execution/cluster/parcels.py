"""Inputs and outputs of work on nodes that share no disk.

Inputs travel once to each node, by content: a node keeps them in a folder of its own, and links
them where the work looks for them. Outputs come back as the outcome of the task.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.core.lock import hold
from pipeline.execution.messages import message_files
from pipeline.execution.work import DONE, JOB_FILE, Work

FETCH_S = 3600.0  # how long a task waits for another one of its node that fetches the same
CHECKPOINT = ".ckpt"
LEFT_BEHIND = ("lock", DONE, JOB_FILE, "output.txt")


class Piece(NamedTuple):
    """A file that work reads."""

    path: str
    digest: str
    held: tuple[Any, ...]
    """One reference to the content; in a tuple, since Ray would send the content itself."""


class Parcel(NamedTuple):
    """What is sent along with work."""

    pieces: tuple[Piece, ...]
    state: dict[str, bytes]
    """What earlier work has left in the folders of this work: a run that is open, for instance."""


class Packer:
    """Packs parcels; each content is put into Ray's object store once.

    Args:
        put: stores bytes, and returns a reference to them.
    """

    def __init__(self, put: Callable[[bytes], Any]) -> None:
        self._put = put
        self._held: dict[str, Any] = {}

    def pack(self, work: Work) -> Parcel:
        """Pack what some work reads."""
        pieces = []
        for path in _files(work.inputs):
            digest = _digest(path, path.stat().st_mtime_ns, path.stat().st_size)
            if digest not in self._held:
                self._held[digest] = self._put(path.read_bytes())
            pieces.append(Piece(f"{path}", digest, (self._held[digest],)))
        return Parcel(tuple(pieces), collect(work))


def unpack(parcel: Parcel, fetch: Callable[[Any], bytes]) -> Path:
    """Return a folder in which the inputs lie where work looks for them.

    Args:
        fetch: returns the bytes behind a reference.
    """
    named = "".join(f"{piece.path} {piece.digest}\n" for piece in parcel.pieces)
    folder = cache_folder() / "work" / sha256(named.encode()).hexdigest()[:16]
    for piece in parcel.pieces:
        link = folder / piece.path
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(_fetched(piece, fetch))
    for name, content in parcel.state.items():
        if not (folder / name).exists():
            _write(folder / name, content)
    return folder


def collect(work: Work) -> dict[str, bytes]:
    """Return what some work has written, without checkpoints."""
    roots = [Path(work.folder), Path(work.spool), *([work.result] if work.result else [])]
    left = {*message_files(Path(work.folder)), *(Path(work.folder) / n for n in LEFT_BEHIND)}
    found = {path for path in _files(roots) if path.suffix not in (CHECKPOINT, ".part")}
    return {f"{path}": path.read_bytes() for path in sorted(found - left)}


def deliver(contents: dict[str, bytes]) -> None:
    """Write what has come back."""
    for name, content in contents.items():
        _write(Path(name), content)


def cache_folder() -> Path:
    """Return the folder of this node that keeps inputs and checkpoints."""
    return Path(tempfile.gettempdir()) / f"convoy-{os.getuid()}"


def _fetched(piece: Piece, fetch: Callable[[Any], bytes]) -> Path:
    path = cache_folder() / "content" / piece.digest
    if not path.exists():
        with hold(path.with_suffix(".lock"), piece.path, FETCH_S):
            if not path.exists():
                _write(path, fetch(piece.held[0]))
    return path


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _files(roots: Iterable[Path]) -> list[Path]:
    found = []
    for root in roots:
        inner = (path for path in root.rglob("*") if path.is_file())
        found += [root] if root.is_file() else sorted(inner)
    return found


@cache
def _digest(path: Path, changed_ns: int, size: int) -> str:  # noqa: ARG001  # keys of the cache
    return sha256(path.read_bytes()).hexdigest()
