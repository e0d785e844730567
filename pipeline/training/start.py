"""Starts the processes of a fit, waits for them, and tells what went wrong first.

A fit runs in processes of its own: Lightning starts it again for every further device, a crash of
it is not the crash of the stage, and whoever has fits to run starts them in this one way.
"""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

from pipeline import process
from pipeline.artifacts import write_whole
from pipeline.errors import UserError
from pipeline.training.job import Job

MODULE = "pipeline.training.run"
LEFT = 128 + signal.SIGTERM  # the exit status of a fit that was asked to leave
LEAVE_S = 30.0  # to write a large checkpoint
TOLD = "told_{}.json"


class FitError(RuntimeError):
    """A process of a fit has failed, and not by a mistake of the user."""


class Told(NamedTuple):
    """The last words of one process of a fit; the earliest of them is the cause of the others."""

    at_s: float
    kind: Literal["mistake", "again", "left", "failure"]
    """again: what it has found out lies in the job's folder, so start the fit again; left: it was
    asked to."""
    text: str = ""
    trace: str = ""
    """Of a failure."""

    def save(self, folder: Path, rank: int) -> None:
        """Write them where the one that has started the fit looks."""
        write_whole(folder / TOLD.format(rank), json.dumps(self))


class FitProcess:
    """A fit that runs. Leaving the context ends it.

    Args:
        file: where the job is written for the processes to read.
        command: what starts a process for each device, such as `srun --nodes 2`; without one,
            a single process is started, and starts the others of this machine itself.

    Raises:
        UserError: the command cannot be run, or there is none for several nodes.
    """

    def __init__(self, job: Job, file: Path, command: str | None = None) -> None:
        if job.hardware.num_nodes > 1 and not command:
            raise UserError(
                f"hardware.num_nodes: got {job.hardware.num_nodes}, and launch.command names "
                "nothing that starts a process for each device, such as srun; name it"
            )
        self._folder = Path(job.folder)
        self._title = job.title
        fit = [sys.executable, "-m", MODULE, f"{file}"]
        self._command = [*shlex.split(command or ""), *fit]
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

    def wait(self) -> None:
        """Wait for the end, starting the fit again where it asks for that.

        Raises:
            UserError: a process of the fit raised it, or was ended by a signal.
            FitError: a process failed in another way.
            SystemExit: the fit was asked to leave, and did.
        """
        while status := self._process.wait():
            told = [Told(*json.loads(path.read_text())) for path in self._words()]
            first = min(told, default=None)
            if first is None:
                raise self._silent(status)
            if first.kind == "left":
                raise SystemExit(LEFT)
            if first.kind == "failure":
                print(first.trace, file=sys.stderr, flush=True)
                raise FitError(f"{self._title}: {first.text}")
            if first.kind == "mistake":
                raise UserError(first.text)
            print(first.text, flush=True)
            self._process = self._started()

    def _silent(self, status: int) -> BaseException:
        """The end of a fit of which no process has said anything."""
        if status in (LEFT, -signal.SIGTERM):
            return SystemExit(LEFT)
        if status < 0:
            return ended_by_signal(0, -status)
        return FitError(f"{self._title}: ended with exit status {status}")

    def _started(self) -> "subprocess.Popen[bytes]":
        for path in self._words():
            path.unlink()
        try:  # in a process group of its own: Ctrl-C is the starter's
            return subprocess.Popen(
                self._command,
                preexec_fn=process.die_with_parent,  # noqa: PLW1509
                process_group=0,
            )
        except OSError as error:
            raise UserError(
                f"launch.command: got {self._command[0]!r}: {error.strerror}; install it"
            ) from None

    def _words(self) -> list[Path]:
        return sorted(self._folder.glob(TOLD.format("*")))


def ended_by_signal(rank: int, signum: int) -> UserError:
    """Say that a process was killed: it could not say so itself."""
    return UserError(
        f"rank {rank} was ended by signal {signum} ({signal.Signals(signum).name}), the others "
        "with it; run the same command again: it goes on from its last checkpoint"
    )


def run(job: Job, file: Path, command: str | None = None) -> None:
    """Run a fit to its end; arguments and errors as those of `FitProcess`."""
    with FitProcess(job, file, command) as started:
        started.wait()
