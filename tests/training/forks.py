"""Processes of a fit as forks of the one that starts them, which has imported all they need."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pytorch_lightning.strategies.launchers import subprocess_script

from pipeline.execution import fit_process
from pipeline.training import run

JOB = "CONVOY_TEST_JOB"
ENDING = {signal.SIGINT, signal.SIGTERM}


class Forked(subprocess.Popen[bytes]):
    """What is used of a `Popen`, for the process of a fit and for its further devices."""

    _child_created = False  # nothing for its parent class to clean up

    def __init__(  # its parent's is not called
        self,
        command: list[str],
        env: dict[str, str] | None = None,
        cwd: None = None,  # noqa: ARG002  # always that of the parent
        preexec_fn: Callable[[], None] | None = None,
        process_group: int | None = None,
        pass_fds: tuple[int, ...] = (),  # noqa: ARG002  # a fork has all
        stdout: None = None,  # noqa: ARG002  # no table is shown
        stderr: None = None,  # noqa: ARG002
    ) -> None:
        self.args, self.returncode = command, None
        sys.stdout.flush()
        # A fork runs Python at once, where an exception raised by a signal would be swallowed.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        self.pid = os.fork()
        if self.pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            return
        try:
            if env is not None:
                os.environ.update(env)
            if process_group is not None:
                os.setpgid(0, process_group)
            if preexec_fn is not None:
                preexec_fn()
                os.environ[JOB] = command[-1]
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # as exec forgets what has come before it
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            run.main(Path(os.environ[JOB]))
        except SystemExit as leaving:
            os._exit(leaving.code if isinstance(leaving.code, int) else 1)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end_s = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end_s is not None and time.monotonic() > end_s:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(0.005)
        return status

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_fits_as_forks() -> None:
    """Call in a process that is to start fits: Convoy and Lightning then fork."""
    stand_in: Any = SimpleNamespace(Popen=Forked, TimeoutExpired=subprocess.TimeoutExpired)
    fit_process.subprocess = stand_in  # type: ignore[attr-defined]
    subprocess_script.subprocess = stand_in  # type: ignore[attr-defined]
