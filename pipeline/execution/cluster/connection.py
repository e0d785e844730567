"""The connection to a Ray cluster: opened, checked and described. A door to Ray."""

import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

# Read on import. Lines of two fits that differ in their numbers alone are all to be shown.
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0")

_handler = signal.getsignal(signal.SIGTERM)
import ray  # noqa: E402
from ray._private.services import get_ray_address_from_environment  # noqa: E402
from ray.exceptions import (  # noqa: E402
    GetTimeoutError,
    NodeDiedError,
    RayError,
    TaskUnschedulableError,
    WorkerCrashedError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

if _handler is not None:
    signal.signal(signal.SIGTERM, _handler)  # Ray replaces it by one of its own

from pipeline.core.errors import UserError  # noqa: E402

LOST = (NodeDiedError, TaskUnschedulableError, WorkerCrashedError)
CONNECT_S = 10.0
CHECK_S = 120.0  # a worker has to start, and to import what a fit needs
FIELD = "execution.engine.address"


class Node(NamedTuple):
    """A node that is alive."""

    id: str
    address: str
    resources: dict[str, float]

    def num_times(self, need: dict[str, float]) -> int:
        """Return how often this node can give what is needed."""
        return min(int(self.resources.get(name, 0.0) / num + 1e-6) for name, num in need.items())


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster; leaving it ends all tasks.

    Raises:
        UserError: there is no cluster at the address, or one of another version.
    """
    _require_cluster(address)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        first = " ".join(str(error).split())[:300]
        raise UserError(f"{FIELD}: got {address!r}: {first}; {_advice()}") from None
    if handler is not None:
        signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        ray.shutdown()


def _require_cluster(address: str) -> None:
    """Raise UserError where no cluster answers: Ray itself would try for a quarter of an hour."""
    given = address
    try:
        if address == "auto":
            given = get_ray_address_from_environment(address, None)
        host, _, port = given.rpartition(":")
        if not host or not port.isdecimal() or "/" in host:
            raise UserError(f"{FIELD}: got {given!r}; allowed auto, or HOST:PORT; {_advice()}")
        socket.create_connection((host, int(port)), CONNECT_S).close()
        ray._raylet.GcsClient(address=given)
    except (OSError, OverflowError, RayError) as error:
        why = " ".join(str(error).split())
        raise UserError(
            f"{FIELD}: got {given!r}, where no Ray cluster answers ({why}); {_advice()}"
        ) from None


def _advice() -> str:
    return "start one with `ray start --head`, and run this on one of its nodes"


def nodes() -> list[Node]:
    """Return the nodes that are alive."""
    return [
        Node(node["NodeID"], node["NodeManagerAddress"], node["Resources"])
        for node in ray.nodes()
        if node["Alive"]
    ]


def ask_each(asked: Sequence[Node], function: Any, *arguments: Any) -> list[tuple[Node, str]]:
    """Return what a function answers on each node, or why it did not; nodes may be lost."""
    task = ray.remote(num_cpus=0, max_retries=0)(function)
    sent = []
    for node in asked:
        there = NodeAffinitySchedulingStrategy(node.id, soft=False)
        sent.append(task.options(scheduling_strategy=there).remote(*arguments))
    ray.wait(sent, num_returns=len(sent), timeout=CHECK_S)
    return list(zip(asked, map(_answer, sent), strict=True))


def _answer(reference: Any) -> str:
    try:
        answer: str = ray.get(reference, timeout=0)
    except LOST:
        return ""
    except GetTimeoutError:
        return f"it has not answered within {CHECK_S:.0f} s; look at its logs, or remove it"
    except RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return f"it cannot run the code ({lines[-1]}); install the same code and libraries there"
    return answer
