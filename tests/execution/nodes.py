"""A Ray cluster of real nodes on this machine."""

import os
import socket
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

ROOT = Path(__file__).parents[2]
STORE_BYTES = 80 * 1024 * 1024
# A node does not start where one of its parts takes too long, as on a busy machine.
ENVIRONMENT = {
    "PYTHONPATH": f"{ROOT}",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_worker_niceness": "0",  # 15 by default, which waits for all else that runs
}
"""The variables with which the nodes are started."""
ATTEMPTS = 4
GONE_S = 100.0


class Nodes:
    """A cluster of real nodes of one CPU each.

    Args:
        folder: gets a folder of temporary files for each node, as if it had a disk of its own.
    """

    def __init__(self, num: int, folder: Path) -> None:
        self._folder, self._num_added = folder, 0
        for attempt in range(ATTEMPTS):
            try:
                self._start(num)
                break
            except Exception:  # Ray gives a node 30 s to start, which a busy machine exceeds
                self.close()
                if attempt == ATTEMPTS - 1:
                    raise

    def _start(self, num: int) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster()
        for _ in range(num):
            self.add()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @property
    def disks(self) -> list[Path]:
        """The folders of temporary files of all nodes that there were."""
        return sorted(self._folder.iterdir())

    def add(self, environment: dict[str, str] | None = None, **settings: Any) -> Any:
        self._num_added += 1
        disk = self._folder / f"node_{self._num_added}"
        disk.mkdir(parents=True)
        own = {"TMPDIR": f"{disk}", **(environment or {})}
        with patch.dict(os.environ, ENVIRONMENT):
            return self._cluster.add_node(
                object_store_memory=STORE_BYTES,
                include_dashboard=False,
                include_log_monitor=False,
                no_monitor=True,
                env_vars=own,
                **{"num_cpus": 1, **settings},
            )

    def lose(self, node: Any = None) -> None:
        """Kill all processes of a node that is not the head, and wait until they are gone."""
        lost = node or next(iter(self._cluster.worker_nodes))
        started = [psutil.Process(other.process.pid) for (other,) in lost.all_processes.values()]
        all_of_it = [*started, *chain(*(one.children(recursive=True) for one in started))]
        self._cluster.remove_node(lost, allow_graceful=False)
        assert not psutil.wait_procs(all_of_it, timeout=GONE_S)[1]

    def close(self) -> None:
        self._cluster.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
