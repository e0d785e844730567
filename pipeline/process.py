"""No process outlives the one that started it, and no stage starts more threads than it says."""

import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
POLL_S = 0.5
SHELLS = ("sh", "dash", "bash", "zsh")


def prepare() -> None:
    """Call once, first: end with the parent, and forked children with us; SIGTERM is an exit."""
    _set_environment()
    exit_on_sigterm()
    die_with_parent()
    os.register_at_fork(after_in_child=die_with_parent)
    threading.Thread(target=_watch, args=(_ancestors(),), daemon=True).start()


def prepare_fit() -> None:
    """Call first in a process of a fit, as `prepare` in a stage.

    A process that Lightning has started ends with the one that started it by SIGKILL, as it is deaf
    to all other signals while it waits for that one.
    """
    _set_environment()
    exit_on_sigterm()
    die_with_parent(signal.SIGTERM if os.environ.get("LOCAL_RANK", "0") == "0" else signal.SIGKILL)
    os.register_at_fork(after_in_child=die_with_parent)


def _set_environment() -> None:
    """Set what libraries read when they are imported."""
    os.environ.update(
        NO_ALBUMENTATIONS_UPDATE="1",
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
        OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1"),  # training sets its own
    )


def exit_on_sigterm() -> None:
    """Make SIGTERM raise SystemExit, so that what is open is closed."""
    signal.signal(signal.SIGTERM, _leave)


def die_with_parent(signum: int = signal.SIGTERM) -> None:
    """Ask the kernel for a signal when the parent ends; a no-op where there is no prctl."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)


def _leave(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the clean-up short
    raise SystemExit(128 + signum)


def _ancestors() -> list[psutil.Process]:
    """Our parent, and its parent where ours is only the shell that DVC starts a command in."""
    found = psutil.Process().parents()[:2]
    return found if found and found[0].name() in SHELLS else found[:1]


def _watch(ancestors: list[psutil.Process]) -> None:
    """A shell between DVC and us survives DVC, so its death has to be looked for."""
    while all(map(_is_alive, ancestors)):
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
