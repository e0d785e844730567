"""Copies of a fit's checkpoints at an address that all nodes reach, such as s3://bucket/folder."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import fsspec

from pipeline.core.errors import UserError

STATE = ("*.ckpt", "attempts.json")
LAST = "epoch.ckpt"  # promises that best.ckpt is at least as new
LOOK_S = 1.0  # how often files are looked at


class Mirror:
    """Copies the checkpoints of one folder to an address, and back.

    Raises:
        UserError: the address cannot be used.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._folder, self._url = folder, url
        self._fs, root = _opened(url)
        self._root = f"{root.rstrip('/')}/{folder.as_posix().strip('/')}"
        self._copied: dict[str, int] = {}
        self._looked_s = 0.0
        self._has_failed = False

    def fetch(self) -> None:
        """Bring back what another node has left, if it has left something."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._fs.exists(self._root):
            return
        for found in self._fs.ls(self._root, detail=False):
            name = Path(found).name
            if not name.endswith(".part"):
                unfinished = self._folder / f"{name}.part"
                self._fs.get_file(found, f"{unfinished}")
                unfinished.replace(self._folder / name)

    def look(self) -> None:
        """Copy what has changed, if it is time to look."""
        if time.monotonic() - self._looked_s > LOOK_S:
            self.update()
            self._looked_s = time.monotonic()

    def update(self) -> None:
        """Copy what has changed. An address that fails for a while loses no fit."""
        try:
            self._copy()
            self._has_failed = False
        except Exception as error:  # each file system raises its own
            if not self._has_failed:
                print(f"checkpoint_url: {self._url}: {error}; the fit goes on", flush=True)
            self._has_failed = True

    def _copy(self) -> None:
        """Copy a snapshot: the fit may replace its files meanwhile, `epoch.ckpt` as the last."""
        with tempfile.TemporaryDirectory(dir=self._folder.parent) as snapshot:
            changed = [p for pattern in STATE for p in self._folder.glob(pattern)]
            changed = [p for p in changed if self._copied.get(p.name) != p.stat().st_mtime_ns]
            for path in sorted(changed, key=lambda p: p.name != LAST):
                os.link(path, Path(snapshot) / path.name)
            self._fs.makedirs(self._root, exist_ok=True)
            for path in sorted(Path(snapshot).iterdir(), key=lambda p: p.name == LAST):
                changed_ns, target = path.stat().st_mtime_ns, f"{self._root}/{path.name}"
                self._fs.put_file(f"{path}", f"{target}.part")
                self._fs.mv(f"{target}.part", target)
                self._copied[path.name] = changed_ns


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
