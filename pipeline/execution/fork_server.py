"""A process that has imported what fits need, and forks one for each: imports are paid once.

The fork server is the one of `multiprocessing`. It starts no thread and runs no operation of torch,
so that its forks begin like fresh processes.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from multiprocessing import forkserver, reduction
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO, Any

from pipeline.core import process
from pipeline.execution.fit_process import Environment, Started, Starter, start_command
from pipeline.execution.progress import TABLE, output_file
from pipeline.execution.work import Work

WARM = "pipeline.execution.warm"

_context = multiprocessing.get_context("forkserver")


class ForkedProcess:
    """A fork as `subprocess.Popen` shows a process."""

    def __init__(self, forked: ForkServerProcess) -> None:
        self._forked = forked

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        return self._forked.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status."""
        self._forked.join(timeout)
        if self._forked.exitcode is None:
            raise subprocess.TimeoutExpired(self._forked.name, timeout or 0)
        return self._forked.exitcode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._forked.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._forked.kill()


class _Shared:
    """A handle that stays open in the fork, which thereby holds its lock too."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[object, ...]:
        return _received, (reduction.DupFd(self.number),)


def _received(copied: Any) -> _Shared:
    return _Shared(copied.detach())


def starter_of(work: Work) -> Starter:
    """Return what starts some work: a fork, unless it needs a launcher or several devices."""
    is_single = work.hardware.world == 1 and not work.execution.command
    return start_fork if is_single else start_command


def start_fork(work: Work, lock: IO[str], environment: Environment) -> Started:
    """Fork a process for some work of one device."""
    _start_server(work.IMPORTS)
    folder, shared = str(Path.cwd()), _Shared(lock.fileno())
    arguments = (work.MODULE, f"{work.file}", folder, dict(environment), shared)
    forked = _context.Process(target=_run, args=arguments, name=work.title)
    forked.start()
    return ForkedProcess(forked)


def _start_server(imports: Sequence[str]) -> None:
    """Start the server, unless it runs already, with what its forks need.

    It ignores Ctrl-C once it has imported all, and here from the beginning, since Python would
    show where the imports were interrupted. Its forks do so until they have a group of their own.
    """
    _context.set_forkserver_preload([WARM, *imports])
    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        forkserver.ensure_running()
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def num_gpus() -> int:
    """Return the number of GPUs that torch sees, which the server has imported and this process
    need not."""
    _start_server(("pipeline.training.fit",))
    receiver, sender = _context.Pipe(duplex=False)
    asked = _context.Process(target=_send_num_gpus, args=(sender,))
    asked.start()
    sender.close()
    number: int = receiver.recv()
    asked.join()
    return number


def _send_num_gpus(sender: Connection) -> None:
    import torch

    sender.send(torch.cuda.device_count())


def _run(module: str, file: str, folder: str, environment: Environment, lock: _Shared) -> None:  # noqa: ARG001
    os.setpgid(0, 0)  # Ctrl-C is for the process that started it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    starter = multiprocessing.parent_process()
    if starter and not starter.is_alive():
        os._exit(1)
    os.environ.update(environment)
    if TABLE in environment:
        with output_file(Path(file).parent).open("a") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
    sys.argv = [module, file]
    process.prepare_fit()
    import_module(module).main(Path(file))
