"""Work as tasks of Ray: sent, awaited and cancelled. A door to Ray."""

import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    RayError,
    TaskCancelledError,
    WorkerCrashedError,
)

from pipeline.core.errors import UserError
from pipeline.execution.cluster.node import Interrupted, Order, Outcome, execute
from pipeline.execution.fit_process import LEAVE_S
from pipeline.execution.messages import FitError, Killed

LOST = (NodeDiedError, OutOfMemoryError, TaskCancelledError, WorkerCrashedError)


def _on_node(order: Order) -> Outcome:
    return execute(order, ray.get)


class Tasks:
    """Sends work to the nodes.

    Args:
        need: what Ray has to reserve for each: CPU or GPU.
        max_retries: how often work is started again whose process or node was lost.
    """

    def __init__(self, need: dict[str, float], max_retries: int) -> None:
        self._task = ray.remote(
            max_calls=0,  # a worker's fork server serves the next fit too
            max_retries=max_retries,
            retry_exceptions=[Interrupted],
            num_cpus=need.get("CPU", 0),
            num_gpus=need.get("GPU", 0),
        )(_on_node)

    def send(self, order: Order, title: str) -> Any:
        """Send an order, and return a reference to its outcome."""
        return self._task.options(name=title).remote(order)


def ended(references: Sequence[Any], timeout_s: float) -> list[Any]:
    """Return the references of what has ended; wait for the first one for some time."""
    found, _ = ray.wait(list(references), num_returns=1, timeout=timeout_s)
    if found:
        found, _ = ray.wait(list(references), num_returns=len(references), timeout=0)
    return list(found)


def put(content: bytes) -> Any:
    """Store bytes, and return a reference to them.

    Raises:
        UserError: there is no room for them.
    """
    try:
        return ray.put(content)
    except (ObjectStoreFullError, OutOfDiskError):
        raise UserError(
            f"execution.engine.shared_disk: got false, but Ray's object store has no room for "
            f"{len(content) / 1e6:,.0f} MB more; free some space in its folder (/tmp/ray), or give "
            "it more by `ray start --object-store-memory`"
        ) from None


def outcome(reference: Any, title: str) -> Outcome:
    """Return how some work has ended."""
    again = "run the same command again: it resumes from its last checkpoint"
    try:
        found: Outcome = ray.get(reference)
    except Interrupted as interrupted:
        cause = getattr(interrupted, "cause", interrupted)
        text = f"{cause} (Ray has started it as often as max_retries allows)"
        return Outcome(Killed(text), {})
    except LOST as lost:
        kind = type(lost).__name__
        text = f"{title}: Ray has lost its process or node too often ({kind}); {again}"
        return Outcome(Killed(text), {})
    except RayError as failed:
        lines = str(failed).strip().splitlines() or [type(failed).__name__]
        return Outcome(FitError(f"{title}: {lines[-1]}; {again}"), {})
    return found


def cancel(references: Sequence[Any]) -> None:
    """Cancel what waits, ask what runs to leave, and wait until it has."""
    left, end_s = list(references), time.monotonic() + LEAVE_S
    for reference in left:
        ray.cancel(reference, force=False)
    if left:
        _, left = ray.wait(left, num_returns=len(left), timeout=max(0.0, end_s - time.monotonic()))
    for reference in left:
        ray.cancel(reference, force=True)
