"""A file lock that is released when the processes that hold it end, however they end."""

import fcntl
import time
from pathlib import Path
from typing import IO

from pipeline.core.errors import UserError

POLL_S = 0.1


class HeldError(UserError):
    """Another process holds the lock."""


def hold(path: Path, what: str, wait_s: float = 0.0) -> IO[str]:
    """Lock a file for this process and for those that inherit the returned handle.

    The lock is released when the last of them closes the handle or ends.

    Args:
        what: the work that the lock protects, for the message.
        wait_s: how long to wait for a process that is about to end.

    Raises:
        HeldError: another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file, end_s = path.open("w"), time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > end_s:
                file.close()
                raise HeldError(
                    f"{what}: another process is working on it; wait for that process to end, or "
                    "stop it"
                ) from None
            time.sleep(POLL_S)
