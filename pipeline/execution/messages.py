"""How a process that works reports its end to the process that has started it."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline.core.errors import UserError
from pipeline.core.files import write_whole

LEFT = 128 + signal.SIGTERM  # the exit status of a process that was asked to leave
MESSAGE_FILE = "message_{}.json"


class FitError(RuntimeError):
    """A process has failed, and not through a mistake of the user."""


class Again(Exception):  # noqa: N818  # no error: the work goes on
    """The work has to be started again, as its folder holds what this attempt has learned; the
    message gives the reason."""


class Diverged(UserError):  # noqa: N818  # a search goes on
    """The loss, a metric or the weights were not finite."""


class Killed(UserError):  # noqa: N818  # the work can go on
    """A process was ended by a signal; started again, the work resumes from its checkpoint."""


class ExitMessage(NamedTuple):
    """The last message of one process of a fit; the earliest one is the cause of all others."""

    at_s: float
    kind: Literal["mistake", "diverged", "again", "left", "failure"]
    """again: start the fit again; left: the process was asked to leave."""
    text: str = ""
    trace: str = ""
    """The traceback of a failure."""

    def save(self, folder: Path, rank: int) -> None:
        """Write the message where the process that has started the fit looks for it."""
        write_whole(folder / MESSAGE_FILE.format(rank), json.dumps(self))


@contextmanager
def report(folder: Path, rank: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Leave a message about any error in a folder, and end the process.

    Args:
        rank: returns the number of the process among those of the same work.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        message = _message(error, rank())
        if message:
            message.save(folder, rank())
        if isinstance(error, SystemExit):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)  # a process that waits for another would not end by itself


def _message(error: Exception | SystemExit, rank: int) -> ExitMessage | None:
    """Return the message about an error; None where another process has reported why."""
    now_s = time.time()
    if isinstance(error, SystemExit):
        return ExitMessage(now_s, "left") if error.code == LEFT else None
    if isinstance(error, Again):
        return ExitMessage(now_s, "again", str(error))
    if isinstance(error, Diverged):
        return ExitMessage(now_s, "diverged", str(error))
    if isinstance(error, UserError):
        return ExitMessage(now_s, "mistake", str(error))
    text = f"process {rank} failed: {type(error).__name__}: {error}"
    return ExitMessage(now_s, "failure", text, traceback.format_exc())


def message_files(folder: Path) -> list[Path]:
    """Return the files of all messages in a folder."""
    return sorted(folder.glob(MESSAGE_FILE.format("*")))


def first_message(folder: Path) -> ExitMessage | None:
    """Return the earliest message in a folder, or None if no process has left one."""
    messages = [ExitMessage(*json.loads(path.read_text())) for path in message_files(folder)]
    return min(messages, default=None)


def ended_by_signal(rank: int, signum: int) -> Killed:
    """Return the error for a killed process, which could not report it itself."""
    return Killed(
        f"rank {rank} was terminated by signal {signum} ({signal.Signals(signum).name}), and the "
        "other ranks were stopped; run the same command again: it resumes from its last "
        "checkpoint"
    )
