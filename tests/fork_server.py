"""Start the commands of a workspace as forks of a process that has imported the libraries.

A command such as `python -m stages.train` spends most of a test on importing torch and MLflow, two
to five seconds each time. Here one process imports them once for all tests; what stands for
`python` in a workspace asks it for a fork, and hands over its arguments, folder, environment and
files. The fork imports the code of the workspace and runs it from the first line to the last. So
does the process from which a stage forks its fits. What tests kill, and what `make` starts, are
processes of their own.

    python -m tests.fork_server FOLDER
"""

import array
import atexit
import ctypes
import gc
import importlib
import marshal
import multiprocessing
import os
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

LIBRARIES = (
    "numpy", "scipy.optimize", "scipy.stats", "scipy.special", "pandas", "pydantic", "ruamel.yaml",
    "jinja2", "rich.console", "typer", "psutil", "PIL.Image", "cv2", "albumentations", "torch",
    "pyarrow.parquet", "torch._dynamo", "torchvision", "timm", "pytorch_lightning", "safetensors",
    "safetensors.torch", "sklearn.linear_model", "sklearn.ensemble", "sklearn.metrics",
    "sklearn.datasets", "sklearn.model_selection", "matplotlib.figure", "optuna", "captum.attr",
    "mlflow", "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "jaxtyping", "dvc.cli",
    "matplotlib.backends.backend_svg", "dvc.repo", "dvc.commands.repro", "dvc.commands.status",
)  # fmt: skip
CLIENT = Path(__file__).parent / "fork_client.py"
PYTHON = sys.executable
DESCENDING = "CONVOY_TEST_DESCENDING"
"""The variable for a command that is to be a process of its own; its forks descend from it."""
COMMANDS = {
    "python": 'exec {python} -IS {client} {address} "$@"',
    "dvc": 'exec python -m dvc "$@"',
    "convoy": 'exec python -m pipeline "$@"',
}


class ForkServer:
    """The running server, and a folder with the commands that ask it for forks."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.commands = folder / "bin"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", f"{folder}"],
            cwd=CLIENT.parent.parent,
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """End the server and remove its folder."""
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.commands.parent)


def listening_in(folder: Path) -> socket.socket:
    """Write the commands that ask for forks, and return the socket on which they will."""
    address = f"{folder / 'socket'}"
    named = {"python": PYTHON, "client": f"{CLIENT}", "address": address}
    quoted = {name: shlex.quote(value) for name, value in named.items()}
    (folder / "bin").mkdir()
    for name, text in COMMANDS.items():
        command = folder / "bin" / name
        command.write_text(f"#!/bin/sh\n{text.format(**quoted)}\n")
        command.chmod(0o755)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    return listening


def serve(listening: socket.socket, folder: Path) -> None:
    """Fork for every connection, and tell it the process id and the exit status."""
    with selectors.DefaultSelector() as waiting, listening:
        waiting.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is not listening:
                    waiting.unregister(key.fileobj)
                    key.data(key.fileobj)
                    continue
                asking, _ = listening.accept()
                asked, files = received(asking)
                fork = os.fork()
                if not fork:
                    listening.close()
                    waiting.close()
                    become(*asked, files, asking, folder)
                for file in files:
                    os.close(file)
                asking.sendall(fork.to_bytes(8, "little"))
                ended = os.pidfd_open(fork)
                waiting.register(ended, selectors.EVENT_READ, reporting(fork, asking))


def reporting(fork: int, asking: socket.socket) -> Callable[[int], None]:
    def report(ended: int) -> None:
        os.close(ended)
        status = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
        with suppress(BrokenPipeError):  # it was killed
            asking.sendall(status.to_bytes(8, "little", signed=True))
        asking.close()

    return report


def received(asking: socket.socket) -> tuple[Any, array.array]:
    """Return arguments, folder and environment; and the three files, or five, see `fork_fits`."""
    files = array.array("i")
    size, ancillary, _, _ = asking.recvmsg(8, socket.CMSG_LEN(5 * files.itemsize))
    files.frombytes(ancillary[0][2])
    raw = b""
    while len(raw) < int.from_bytes(size, "little"):
        raw += asking.recv(1 << 20)
    return marshal.loads(raw), files


def become(
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    files: array.array,
    asking: socket.socket,
    own: Path,
) -> None:
    """Be the process of `python` with these arguments, to the end."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(":"))]
    if os.environ.pop(DESCENDING, None):
        descend(arguments, Path(mkdtemp(dir=own)), asking)
    sys.argv, sys.executable = arguments[1:], f"{own / 'bin/python'}"
    multiprocessing.set_executable(sys.executable)
    end_with(asking, os.getpid())
    try:
        if arguments[0] == "-c":
            fork_fits(arguments[1], *files[3:])
        else:
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        status: Any = 0
    except SystemExit as leaving:
        status = leaving.code
    except BaseException:
        traceback.print_exc()
        status = 1
    if not (status is None or isinstance(status, int)):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((status or 0) & 255)


def fork_fits(command: str, listening: int, alive: int) -> None:
    """Be the process from which the stage forks its fits, whose files have other numbers here."""

    def main(_listening: int, _alive: int, *names: Any, **data: Any) -> None:
        forkserver.main(listening, alive, *names, **data)

    eval(command.partition("; ")[2], {"main": main})


def descend(arguments: list[str], folder: Path, asking: socket.socket) -> None:
    """Be a process of its own, from which the forks descend that it asks for, and they in turn."""
    listening, parent = listening_in(folder), os.getpid()
    if not os.fork():
        end_with_parent()
        end_with(asking, parent)
        serve(listening, folder)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    os.execve(PYTHON, [PYTHON, *arguments], {**os.environ, "PATH": path})


def end_with(asking: socket.socket, process: int) -> None:
    """End a process where the command that has asked for it is killed."""

    def wait() -> None:
        asking.recv(1)
        os.kill(process, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


if __name__ == "__main__":
    end_with_parent()  # the tests, even where those are killed
    for library in LIBRARIES:
        importlib.import_module(library)
    assert threading.active_count() == 1, "a fork has one thread only"
    gc.freeze()  # pages that no collection touches stay shared
    folder = Path(sys.argv[1])
    listening = listening_in(folder)
    print("ready", flush=True)
    serve(listening, folder)
