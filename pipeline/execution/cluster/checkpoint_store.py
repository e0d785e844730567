"""Copies of a fit's checkpoints at an address that all nodes reach, such as s3://bucket/folder.

A list names the files that belong together. It is replaced once they are all there, so that a
complete state is found wherever the node is lost.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from pipeline.core.errors import UserError
from pipeline.execution.messages import Killed

STATE = ("*.ckpt", "attempts.json")
LIST = "list.json"
LOOK_S = 1.0  # how often files are looked at


class CheckpointStore:
    """Copies the state of a fit to an address, and back.

    Args:
        folder: the folder of the fit, relative to the repository; the address gets one like it.

    Raises:
        UserError: the address cannot be used.
    """

    def __init__(self, url: str, folder: str) -> None:
        self._url, self._folder = url, Path(folder)
        self._fs, root = _opened(url)
        self._root = f"{root.rstrip('/')}/{folder}"
        self._stored: dict[str, int] = {}
        self._looked_s = 0.0
        self._has_failed = False

    def fetch(self) -> None:
        """Replace the state of the fit by the one that is stored, if there is one.

        Raises:
            Killed: the address cannot be read now.
        """
        try:
            self._fetch()
        except Exception as error:  # each file system raises its own
            raise Killed(
                f"checkpoint_url: {self._url}: {error}; run the same command again once it can be "
                "read"
            ) from None

    def look(self) -> None:
        """Store what has changed, if it is time to look."""
        if time.monotonic() - self._looked_s > LOOK_S:
            self.update()
            self._looked_s = time.monotonic()

    def update(self) -> None:
        """Store what has changed. An address that fails for a while loses no fit."""
        try:
            self._store(self._state())
            self._has_failed = False
        except Exception as error:  # each file system raises its own
            if not self._has_failed:
                print(f"checkpoint_url: {self._url}: {error}; the fit goes on", flush=True)
            self._has_failed = True

    def clear(self) -> None:
        """Delete what is stored, as the fit has ended."""
        try:
            if self._fs.exists(self._root):
                self._fs.rm(self._root, recursive=True)
        except Exception as error:  # each file system raises its own
            print(f"checkpoint_url: {self._url}: {error}; a checkpoint is left there", flush=True)

    def _fetch(self) -> None:
        if not self._fs.exists(f"{self._root}/{LIST}"):
            return
        for name in self._state():
            (self._folder / name).unlink()
        self._stored = json.loads(self._fs.cat_file(f"{self._root}/{LIST}"))
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, changed_ns in self._stored.items():
            self._fs.get_file(self._place(name, changed_ns), f"{self._folder / name}")
            os.utime(self._folder / name, ns=(changed_ns, changed_ns))

    def _store(self, state: dict[str, int]) -> None:
        if state == self._stored:
            return
        self._fs.makedirs(self._root, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as links:
            if not self._link(state, Path(links)):
                return  # the fit is at its files: next time
            for name, changed_ns in state.items() - self._stored.items():
                self._fs.put_file(f"{links}/{name}", self._place(name, changed_ns))
        self._fs.pipe_file(f"{self._root}/{LIST}.part", json.dumps(state).encode())
        self._fs.mv(f"{self._root}/{LIST}.part", f"{self._root}/{LIST}")
        for name, changed_ns in self._stored.items() - state.items():
            self._fs.rm_file(self._place(name, changed_ns))
        self._stored = state

    def _state(self) -> dict[str, int]:
        """Return when each file of the state was changed, in ns."""
        found = [path for pattern in STATE for path in self._folder.glob(pattern)]
        return {path.name: path.stat().st_mtime_ns for path in found}

    def _link(self, state: dict[str, int], links: Path) -> bool:
        """Hold the files of a state fast; return whether they have not changed meanwhile."""
        try:
            for name in state:
                os.link(self._folder / name, links / name)
        except FileNotFoundError:
            return False
        return self._state() == state

    def _place(self, name: str, changed_ns: int) -> str:
        return f"{self._root}/{changed_ns}-{name}"


@contextmanager
def stored(url: str | None, folder: str) -> Iterator[Callable[[], None]]:
    """Go on from what is stored, and yield a function that stores what has changed.

    Args:
        url: the address; None: nothing is stored.

    Raises:
        Killed: the address cannot be read now.
    """
    if url is None:
        yield lambda: None
        return
    store = CheckpointStore(url, folder)
    store.fetch()
    try:
        yield store.look
    except BaseException:
        store.update()  # what the fit has saved when it was asked to leave
        raise


def check_url(url: str) -> None:
    """Write and delete a file there.

    Raises:
        UserError: this fails.
    """
    fs, root = _opened(url)
    probe = f"{root.rstrip('/')}/probe-{os.uname().nodename}-{os.getpid()}"
    try:
        fs.makedirs(root, exist_ok=True)
        fs.pipe_file(probe, b"convoy")
        fs.rm_file(probe)
    except Exception as error:  # each file system raises its own
        raise _refused(url, f"cannot be written ({error})") from None


def _opened(url: str) -> tuple[Any, str]:
    try:
        fs, root = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError, OSError) as error:
        raise _refused(url, f"{error}") from None
    return fs, root


def _refused(url: str, why: str) -> UserError:
    return UserError(
        f"execution.engine.checkpoint_url: got {url!r}: {why}; name a folder that all nodes can "
        "write, such as s3://bucket/folder, and install what fsspec needs for it"
    )
