"""What a task of Ray does on its node: it checks the node, or runs one piece of work.

Nothing here needs Ray, whose workers import this module.
"""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.core.errors import UserError
from pipeline.core.lock import HeldError
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
    """The repository, on a disk that all nodes share."""
    environment: dict[str, str]
    versions: Mapping[str, str]
    """What the node has to have, see `versions`."""


class Interrupted(Exception):  # noqa: N818  # no error: Ray starts the task again
    """The fit was killed or asked to leave, and goes on from its checkpoint."""


def check(folder: str, token: str, wanted: Mapping[str, str]) -> str:
    """Return why this node cannot run work; an empty text where it can.

    Args:
        folder: the repository.
        token: a file that was just written there.
        wanted: the versions of code and libraries.
    """
    if not (Path(folder) / token).exists():
        return f"it does not see {folder}; put the repository on a disk that all nodes share"
    found = difference(wanted, versions())
    return f"it has other versions: {found}; install the same code and libraries" if found else ""


def execute(order: Order) -> Exception | None:
    """Run some work, and return its error.

    Raises:
        Interrupted: Ray is to start it again.
    """
    if found := difference(order.versions, versions()):
        return UserError(f"a node of Ray has other versions: {found}; install the same on each")
    _prepare(order.folder)
    work = order.kind.model_validate_json(order.text)
    try:
        _run(work, order.environment)
    except Killed as killed:
        raise Interrupted(str(killed)) from None
    except SystemExit:
        raise Interrupted(f"{work.title}: was asked to leave its node") from None
    except (UserError, FitError) as error:
        return error
    return None


def _prepare(folder: str) -> None:
    os.chdir(folder)
    # Forks would run the script of Ray's worker again.
    vars(sys.modules["__main__"]).pop("__file__", None)
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        del os.environ[name]  # they describe the task of SLURM that has started this node


def _run(work: Work, environment: Mapping[str, str]) -> None:
    """Run some work, when no other task or command is at it."""
    devices = {k: os.environ[k] for k in ("CUDA_VISIBLE_DEVICES",) if k in os.environ}
    while not work.is_done:
        with (
            suppress(HeldError),
            FitProcess(work, starter_of(work), {**devices, **environment}, wait_s=0.0) as fit,
        ):
            fit.wait()
        time.sleep(POLL_S)
