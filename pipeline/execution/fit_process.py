"""Starts the processes of a fit, waits for them, and reports the first error.

A fit runs in processes of its own, since Lightning starts it again for every further device and a
crash of the fit must not be a crash of the stage. Everything that runs fits starts them this way.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

from pipeline.core import process
from pipeline.core.errors import UserError
from pipeline.core.files import write_whole
from pipeline.core.lock import hold
from pipeline.execution.job import Job

MODULE = "pipeline.training.run"
LEFT = 128 + signal.SIGTERM  # the exit status of a fit that was asked to leave
LEAVE_S = 30.0  # time to write a large checkpoint
MESSAGE_FILE = "message_{}.json"


class FitError(RuntimeError):
    """A process of a fit has failed, and not through a mistake of the user."""


class Diverged(UserError):  # noqa: N818  # a search goes on
    """The loss, a metric or the weights were not finite."""


class Killed(UserError):  # noqa: N818  # the fit can go on
    """A process was ended by a signal; started again, the fit resumes from its checkpoint."""


class ExitMessage(NamedTuple):
    """The last message of one process of a fit; the earliest one is the cause of all others."""

    at_s: float
    kind: Literal["mistake", "diverged", "again", "left", "failure"]
    """again: start the fit again, as the job's folder now holds what this attempt has learned;
    left: the process was asked to leave."""
    text: str = ""
    trace: str = ""
    """The traceback of a failure."""

    def save(self, folder: Path, rank: int) -> None:
        """Write the message where the process that has started the fit looks for it."""
        write_whole(folder / MESSAGE_FILE.format(rank), json.dumps(self))


class FitProcess:
    """A running fit. Leaving the context ends it.

    Args:
        file: where to write the job for the processes to read.

    Raises:
        UserError: `execution.command` cannot be run, or is missing for several nodes.
    """

    def __init__(self, job: Job, file: Path) -> None:
        command = job.execution.command
        if job.hardware.num_nodes > 1 and not command:
            raise UserError(
                f"hardware.num_nodes: got {job.hardware.num_nodes}, but execution.command names "
                "no launcher that starts a process for each device; name one, such as srun"
            )
        self._folder = Path(job.folder)
        self._title = job.title
        fit = [sys.executable, "-m", MODULE, f"{file}"]
        self._command = [*_words(command), *fit]
        # The fit holds the lock too: it may outlive a killed starter for a moment.
        self._lock = hold(self._folder / "lock", job.title, LEAVE_S)
        self._network = job.network
        job.save(file)
        self._process = self._started()

    def __enter__(self) -> "FitProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._lock.close()

    def wait(self) -> None:
        """Wait for the end, and start the fit again where it asks for that.

        Raises:
            Diverged: the loss, a metric or the weights were not finite.
            UserError: a process of the fit raised it, or was ended by a signal.
            FitError: a process failed in another way.
            SystemExit: the fit was asked to leave, and did.
        """
        while status := self._process.wait():
            messages = [
                ExitMessage(*json.loads(path.read_text())) for path in self._message_files()
            ]
            first = min(messages, default=None)
            if first is None:
                raise self._silent(status)
            if first.kind == "left":
                raise SystemExit(LEFT)
            if first.kind == "failure":
                print(first.trace, file=sys.stderr, flush=True)
                raise FitError(f"{self._title}: {first.text}")
            if first.kind == "diverged":
                raise Diverged(first.text)
            if first.kind == "mistake":
                raise UserError(first.text)
            print(first.text, flush=True)
            self._process = self._started()
        if self._network and not Path(self._network).exists():
            raise UserError(
                f"execution.command: got {self._command[0]!r}, which ended without training; "
                "name a launcher that waits for the processes it starts, such as srun"
            )

    def _silent(self, status: int) -> BaseException:
        """Return the error of a fit that ended without a message."""
        if status in (LEFT, -signal.SIGTERM):
            return SystemExit(LEFT)
        if status < 0:
            return ended_by_signal(0, -status)
        return FitError(f"{self._title}: ended with exit status {status}")

    def _started(self) -> "subprocess.Popen[bytes]":
        for path in self._message_files():
            path.unlink()
        try:  # in a process group of its own: Ctrl-C is for the process that started it
            return subprocess.Popen(
                self._command,
                preexec_fn=partial(process.die_with_parent, parent_id=os.getpid()),  # noqa: PLW1509
                process_group=0,
                pass_fds=(self._lock.fileno(),),
            )
        except OSError as error:
            raise UserError(
                f"execution.command: got {self._command[0]!r}: {error.strerror}; name a program "
                "that is installed"
            ) from None

    def _message_files(self) -> list[Path]:
        return sorted(self._folder.glob(MESSAGE_FILE.format("*")))


def _words(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise UserError(f"execution.command: got {command!r}: {error}; correct it") from None


def ended_by_signal(rank: int, signum: int) -> Killed:
    """Return the error for a killed process, which could not report it itself."""
    return Killed(
        f"rank {rank} was terminated by signal {signum} ({signal.Signals(signum).name}), and the "
        "other ranks were stopped; run the same command again: it resumes from its last "
        "checkpoint"
    )


def run_fit(job: Job, file: Path) -> None:
    """Run a fit to its end; arguments and errors are those of `FitProcess`."""
    with FitProcess(job, file) as started:
        started.wait()
