"""What a task of Ray does on its node: it checks the node, or runs one piece of work.

Nothing here needs Ray, whose workers import this module.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import chdir, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from pipeline.core.errors import UserError
from pipeline.core.lock import HeldError
from pipeline.execution.cluster.checkpoint_store import check_url, stored
from pipeline.execution.cluster.parcels import (
    Files,
    Parcel,
    cache_folder,
    logged,
    unpack,
    written,
)
from pipeline.execution.cluster.versions import PACKAGE, difference, versions
from pipeline.execution.fit_process import POLL_S, FitProcess
from pipeline.execution.fork_server import starter_of
from pipeline.execution.messages import FitError, Killed
from pipeline.execution.work import Work


class Order(NamedTuple):
    """One piece of work, as it is sent to a node."""

    kind: type[Work]
    text: str
    """The work, as JSON."""
    environment: dict[str, str]
    versions: Mapping[str, str]
    """What the node has to have, see `versions`."""
    folder: str
    """The repository, where all nodes see it."""
    parcel: Parcel | None = None
    """The inputs, where nodes share no disk."""
    checkpoint_url: str | None = None


class Outcome(NamedTuple):
    """How some work has ended."""

    error: Exception | None
    files: Files
    """What it has written, where nodes share no disk."""


class Interrupted(Exception):  # noqa: N818  # no error: Ray starts the task again
    """The fit was killed or asked to leave, and goes on from its checkpoint."""


def check(token: str | None, url: str | None, wanted: Mapping[str, str]) -> str:
    """Return why this node cannot run work; an empty text where it can.

    Args:
        token: a file that was just written in the repository; None where nodes share no disk.
        url: where checkpoints are copied.
        wanted: the versions of code and libraries.
    """
    if token and not Path(token).exists():
        return (
            f"it does not see {Path(token).parent}; put the repository on a disk that all nodes "
            "share, or set execution.engine.shared_disk: false"
        )
    if found := difference(wanted, versions()):
        return f"it has other versions: {found}; install the same code and libraries there"
    try:
        if url:
            check_url(url)
    except UserError as error:
        return str(error)
    return ""


def execute(order: Order, fetch: Callable[[Any], bytes]) -> Outcome:
    """Run some work, and return how it has ended.

    Args:
        fetch: returns the bytes that Ray holds behind a reference.

    Raises:
        Interrupted: Ray is to start it again.
    """
    _prepare()
    work = order.kind.model_validate_json(order.text)
    try:
        if found := difference(order.versions, versions()):
            raise UserError(f"a node of Ray has other versions: {found}; install the same on each")
        if order.parcel:
            return _run_apart(work, order, order.parcel, fetch)
        with chdir(order.folder):
            return Outcome(_run(work, order.environment), {})
    except Killed as killed:
        raise Interrupted(str(killed)) from None
    except SystemExit:
        raise Interrupted(f"{work.title}: was asked to leave its node") from None
    except UserError as mistake:
        return Outcome(mistake, {})


def _prepare() -> None:
    """Make the processes that this worker of Ray starts those of a stage."""
    # Without a shared disk, the code is no part of the folder.
    os.environ["PYTHONPATH"] = f"{PACKAGE.parent}"
    # Forks would run the script of Ray's worker again.
    vars(sys.modules["__main__"]).pop("__file__", None)
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        del os.environ[name]  # they describe the task of SLURM that has started this node


def _run_apart(work: Work, order: Order, parcel: Parcel, fetch: Callable[[Any], bytes]) -> Outcome:
    """Run some work in a folder of its own, which stands for the repository."""
    with TemporaryDirectory(dir=cache_folder()) as folder, chdir(folder):
        unpack(parcel, Path(), fetch)
        with stored(order.checkpoint_url, work.folder) as look:
            error = _run(work, order.environment, look)
        return Outcome(error, logged(work) if error else written(work))


def _run(
    work: Work, environment: Mapping[str, str], look: Callable[[], None] = lambda: None
) -> Exception | None:
    """Run some work when no other task or command is at it, and return its error.

    Args:
        look: called again and again.

    Raises:
        Killed, SystemExit: it is to be started again.
    """
    devices = {k: os.environ[k] for k in ("CUDA_VISIBLE_DEVICES",) if k in os.environ}
    try:
        while not work.is_done:
            with (
                suppress(HeldError),
                FitProcess(work, starter_of(work), {**devices, **environment}, wait_s=0.0) as fit,
            ):
                while not fit.is_ended():
                    look()
                    time.sleep(POLL_S)
            time.sleep(POLL_S)
    except Killed:
        raise
    except (UserError, FitError) as error:
        return error
    return None
