"""Image files on disk, by their paths below one folder."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.images import BadImage


@dataclass(frozen=True)
class Files:
    """Reads one file. It holds names, not open files, so that it passes between processes."""

    root: str
    """Without symbolic links."""
    names: list[str]
    """Relative to `root`, as the operating system spells them."""

    def __call__(self, row: int) -> bytes:
        """Raises BadImage where the file cannot be read or is a link out of `root`."""
        path = os.path.join(self.root, self.names[row])  # noqa: PTH118  # 5 µs cheaper than Path
        real = os.path.realpath(path)
        if os.path.commonpath([real, self.root]) != self.root:
            raise BadImage("link out of the folder", "put the file itself there")
        try:
            if not stat.S_ISREG(os.stat(real).st_mode):  # noqa: PTH116  # a pipe would block
                raise BadImage("unreadable", "not a file")
            return Path(real).read_bytes()
        except OSError as error:
            raise BadImage("unreadable", error.strerror or repr(error)) from None


def existing(folder: Path) -> str:
    """The folder's path without symbolic links; a UserError where there is none to list."""
    if not folder.is_dir():
        raise UserError(f"data.path: got {folder}, which is not a folder; name one that exists")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"data.path: {folder} may not be read; change its permissions")
    return os.path.realpath(folder)


def as_id(name: str) -> str:
    """A file name as valid UTF-8, and no other file's: what is not UTF-8 is written as `\\xff`."""
    escaped = name.replace("\\", "\\\\")
    return os.fsencode(escaped).decode("utf-8", "backslashreplace")
