"""What a task of Ray does on its node: it checks the node, or runs one piece of work.

Nothing here needs Ray, whose workers import this module.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pipeline
from pipeline.core.errors import UserError
from pipeline.core.lock import HeldError
from pipeline.execution.cluster.mirror import Mirror, check_url
from pipeline.execution.cluster.parcels import Parcel, collect, unpack
from pipeline.execution.cluster.versions import difference, versions
from pipeline.execution.fit_process import POLL_S, FitProcess
from pipeline.execution.fork_server import starter_of
from pipeline.execution.messages import FitError, Killed
from pipeline.execution.work import Work


class Order(NamedTuple):
    """One piece of work, as it is sent to a node."""

    kind: type[Work]
    text: str
    """The work, as JSON."""
    folder: str
    """The repository, on a disk that all nodes share; empty where they share none."""
    environment: dict[str, str]
    versions: Mapping[str, str]
    """What the node has to have, see `versions`."""
    parcel: Parcel | None = None
    """The inputs, where nodes share no disk."""
    checkpoint_url: str | None = None


class Outcome(NamedTuple):
    """How some work has ended."""

    error: Exception | None
    contents: dict[str, bytes]
    """The files that it has written, where nodes share no disk."""


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


def execute(order: Order, fetch: Callable[[Any], Any]) -> Outcome:
    """Run some work, and return how it has ended.

    Args:
        fetch: returns what Ray holds behind a reference.

    Raises:
        Interrupted: Ray is to start it again.
    """
    if found := difference(order.versions, versions()):
        mistake = f"a node of Ray has other versions: {found}; install the same on each"
        return Outcome(UserError(mistake), {})
    _enter(unpack(order.parcel, fetch) if order.parcel else Path(order.folder))
    work = order.kind.model_validate_json(order.text)
    error: Exception | None = None
    try:
        _run(work, order.environment, order.checkpoint_url)
    except Killed as killed:
        raise Interrupted(str(killed)) from None
    except SystemExit:
        raise Interrupted(f"{work.title}: was asked to leave its node") from None
    except (UserError, FitError) as failed:
        error = failed
    return Outcome(error, collect(work) if order.parcel else {})


def _enter(folder: Path) -> None:
    os.chdir(folder)
    # Without a shared disk, the code is no part of that folder.
    os.environ["PYTHONPATH"] = f"{Path(pipeline.__file__).parents[1]}"
    # Forks would run the script of Ray's worker again.
    vars(sys.modules["__main__"]).pop("__file__", None)
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        del os.environ[name]  # they describe the task of SLURM that has started this node


def _run(work: Work, environment: Mapping[str, str], url: str | None) -> None:
    """Run some work, when no other task or command is at it."""
    mirror = Mirror(url, Path(work.folder)) if url else None
    devices = {k: os.environ[k] for k in ("CUDA_VISIBLE_DEVICES",) if k in os.environ}
    while not work.is_done:
        if mirror:
            mirror.fetch()
        try:
            with (
                suppress(HeldError),
                FitProcess(work, starter_of(work), {**devices, **environment}, wait_s=0.0) as fit,
            ):
                while not fit.is_ended():
                    if mirror:
                        mirror.look()
                    time.sleep(POLL_S)
        finally:
            if mirror:
                mirror.update()
        time.sleep(POLL_S)
