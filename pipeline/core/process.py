"""Tie processes to their parents, and limit the threads that a stage starts."""

import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
POLL_S = 0.5
AGAIN_S = 0.1  # by then, the callback that lost an exception has most likely ended
SHELLS = ("sh", "dash", "bash", "zsh")


def prepare() -> None:
    """Set up a stage's process; call once, before anything else.

    The process ends with its parent, its forked children end with it, and SIGTERM makes it exit.
    """
    _set_environment()
    exit_on_sigterm()
    die_with_parent()
    os.register_at_fork(after_in_child=die_with_parent)
    threading.Thread(target=_watch, args=(_ancestors(),), daemon=True).start()


def prepare_command() -> None:
    """Set up a process that a user starts, and that may outlive the shell it was started from."""
    _set_environment()
    exit_on_sigterm()


def prepare_fit() -> None:
    """Set up a process of a fit; call first, as a stage calls `prepare`.

    A process that Lightning has started ends by SIGKILL when its parent ends, since it ignores all
    other signals while it waits for the parent.
    """
    _set_environment()
    exit_on_sigterm()
    die_with_parent(signal.SIGTERM if os.environ.get("LOCAL_RANK", "0") == "0" else signal.SIGKILL)
    os.register_at_fork(after_in_child=die_with_parent)


def _set_environment() -> None:
    """Set the environment variables that libraries read on import."""
    os.environ.update(
        NO_ALBUMENTATIONS_UPDATE="1",
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
        OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1"),  # training sets its own number
    )


def exit_on_sigterm() -> None:
    """Make SIGTERM raise SystemExit, so that open resources are closed.

    Python prints an exception that arises in a destructor or in another callback, and goes on; the
    signal is then sent again.
    """
    signal.signal(signal.SIGTERM, _leave)
    sys.unraisablehook = _leave_again


def die_with_parent(signum: int = signal.SIGTERM, parent_id: int | None = None) -> None:
    """Ask the kernel for a signal when the parent ends; do nothing where there is no prctl.

    Args:
        parent_id: the process that has started this one, where it may have ended before this call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)
        if parent_id not in (None, os.getppid()):
            os.kill(os.getpid(), signum)


def _leave(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the clean-up
    raise SystemExit(128 + signum)


def _leave_again(lost: Any) -> None:  # sys.UnraisableHookArgs, which only type checkers know
    """Send SIGTERM again where its exception was lost; print any other one as Python does."""
    if getattr(lost.exc_value, "code", None) != 128 + signal.SIGTERM:
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGTERM, _leave)
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGTERM))
    again.daemon = True
    again.start()


def _ancestors() -> list[psutil.Process]:
    """Return the parent, and its own parent if the first is only the shell of a DVC command."""
    found = psutil.Process().parents()[:2]
    return found if found and found[0].name() in SHELLS else found[:1]


def _watch(ancestors: list[psutil.Process]) -> None:
    """Poll the ancestors: a shell between DVC and this process survives DVC."""
    while all(map(_is_alive, ancestors)):
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
