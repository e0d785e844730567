"""Starts the processes of a fit, waits for them, and reports the first error.

A fit runs in processes of its own, since Lightning starts it again for every further device and a
crash of the fit must not be a crash of the stage. Everything that runs fits starts them this way.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, runtime_checkable

from pipeline.core import process
from pipeline.core.errors import UserError
from pipeline.core.lock import hold
from pipeline.execution.messages import (
    LEFT,
    Diverged,
    FitError,
    ended_by_signal,
    first_message,
    message_files,
)
from pipeline.execution.progress import TABLE, output_file
from pipeline.execution.work import Work

LEAVE_S = 30.0  # time to write a large checkpoint
POLL_S = 0.02


@runtime_checkable
class Started(Protocol):
    """A running process, such as a `subprocess.Popen`."""

    def poll(self) -> int | None:
        """Return its exit status, negative for a signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit status; raise subprocess.TimeoutExpired after `timeout` seconds."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


Environment = Mapping[str, str]
Starter = Callable[[Work, IO[str], Environment], Started]
"""Starts the first process of some work: it inherits the lock, and gets these variables too."""


def start_command(work: Work, lock: IO[str], environment: Environment) -> Started:
    """Start a Python process, by the launcher that `execution.command` names if there is one.

    Raises:
        UserError: `execution.command` cannot be run.
    """
    output = output_file(Path(work.folder)).open("a") if TABLE in environment else None
    command = [*_words(work.execution.command), sys.executable, "-m", work.MODULE, f"{work.file}"]
    try:  # in a process group of its own: Ctrl-C is for the process that started it
        return subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            preexec_fn=partial(process.die_with_parent, parent_id=os.getpid()),  # noqa: PLW1509
            process_group=0,
            pass_fds=(lock.fileno(),),
        )
    except OSError as error:
        raise UserError(
            f"execution.command: got {command[0]!r}: {error.strerror}; name a program that is "
            "installed"
        ) from None


class FitProcess:
    """A running fit, or other work. Leaving the context ends it.

    Args:
        environment: variables for its processes, such as the devices that they may see.
        wait_s: how long to wait where another process is at the same work.

    Raises:
        UserError: `execution.command` cannot be run, or is missing for several nodes; or another
            process is at the same work.
    """

    def __init__(
        self,
        work: Work,
        start: Starter = start_command,
        environment: Environment = {},  # noqa: B006  # it is not changed
        wait_s: float = LEAVE_S,
    ) -> None:
        if work.hardware.num_nodes > 1 and not work.execution.command:
            raise UserError(
                f"hardware.num_nodes: got {work.hardware.num_nodes}, but execution.command names "
                "no launcher that starts a process for each device; name one, such as srun"
            )
        self.work = work
        self._folder = Path(work.folder)
        # The fit holds the lock too: it may outlive a killed starter for a moment.
        self._lock = hold(self._folder / "lock", work.title, wait_s)
        self._start = partial(start, work, self._lock, environment)
        work.prepare()
        self._process = self._started()

    def __enter__(self) -> "FitProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the fit if it still runs, and let others have its folder."""
        self.terminate()
        try:
            self._process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._lock.close()

    def terminate(self) -> None:
        """Ask the fit to leave."""
        self._process.terminate()

    def wait(self) -> None:
        """Wait for the end; errors are those of `is_ended`."""
        while not self.is_ended():
            time.sleep(POLL_S)

    def is_ended(self) -> bool:
        """Return whether the work has succeeded; start it again where it asks for that.

        Raises:
            Diverged: the loss, a metric or the weights were not finite.
            UserError: a process of the fit raised it, or was ended by a signal.
            FitError: a process failed in another way.
            SystemExit: the fit was asked to leave, and did.
        """
        status = self._process.poll()
        if status is None:
            return False
        if status:
            print(self._reason_to_start_again(status), flush=True)
            self._process = self._started()
            return False
        if self.work.result and not self.work.result.exists():
            raise UserError(
                f"execution.command: got {self.work.execution.command!r}, which ended without "
                "training; name a launcher that waits for the processes it starts, such as srun"
            )
        self.work.mark_done()
        return True

    def _reason_to_start_again(self, status: int) -> str:
        """Return why a process wants to start again; raise where it does not."""
        message = first_message(self._folder)
        if message is None:
            raise self._silent(status)
        if message.kind == "left":
            raise SystemExit(LEFT)
        if message.kind == "failure":
            print(message.trace, file=sys.stderr, flush=True)
            raise FitError(f"{self.work.title}: {message.text}")
        if message.kind == "diverged":
            raise Diverged(message.text)
        if message.kind == "mistake":
            raise UserError(message.text)
        return message.text

    def _silent(self, status: int) -> BaseException:
        """Return the error of a fit that ended without a message."""
        if status in (LEFT, -signal.SIGTERM):
            return SystemExit(LEFT)
        if status < 0:
            return ended_by_signal(0, -status)
        return FitError(f"{self.work.title}: ended with exit status {status}")

    def _started(self) -> Started:
        for path in message_files(self._folder):
            path.unlink()
        return self._start()


def _words(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise UserError(f"execution.command: got {command!r}: {error}; correct it") from None
