"""The engine that runs fits on a Ray cluster."""

import os
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.core.errors import UserError
from pipeline.core.paths import SCRATCH
from pipeline.execution.cluster import connection, tasks
from pipeline.execution.cluster.checkpoint_store import CheckpointStore, check_url
from pipeline.execution.cluster.connection import Node
from pipeline.execution.cluster.node import Order, Outcome, check
from pipeline.execution.cluster.parcels import Packer, write
from pipeline.execution.cluster.versions import versions
from pipeline.execution.engines.ray import Params
from pipeline.execution.table import LiveTable
from pipeline.execution.work import Work

W = TypeVar("W", bound=Work)
POLL_S = 0.1
COUNT_S = 5.0  # how often the nodes are counted again
TOKENS = SCRATCH / "ray"


@contextmanager
def open_cluster(params: Params, execution: Execution, hardware: Hardware) -> Iterator["OnCluster"]:
    """Connect, check the nodes, and yield the engine; leaving it ends what still runs.

    Raises:
        UserError: the cluster is not reached, or its nodes cannot run the fits.
    """
    _refuse_launchers(execution, hardware)
    if params.checkpoint_url:
        check_url(params.checkpoint_url)
    with connection.connected(params.address):
        need = _need(params, hardware, connection.nodes())
        _check_nodes(params, need)
        running = OnCluster(params, need)
        try:
            yield running
        finally:
            running.stop()


class OnCluster:
    """The engine of a cluster.

    Args:
        need: what Ray has to reserve for each fit: CPU or GPU.
    """

    def __init__(self, params: Params, need: dict[str, float]) -> None:
        self._params, self._need = params, need
        self._tasks = tasks.Tasks(need, params.max_retries)
        self._sent: dict[Any, Any] = {}
        self._counted_s, self._room = 0.0, 0
        self._packer = Packer(tasks.put)
        # Ray gives a worker as many threads as CPUs, which would change bits.
        self._environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        if "GPU" not in need:
            self._environment["CUDA_VISIBLE_DEVICES"] = ""  # a fit takes nothing but what it needs
        self._table = LiveTable(self.width, is_shown=params.shared_disk)

    @property
    def width(self) -> int:
        """How much work is sent at once; nodes come and go."""
        if self._params.parallel_fits != "auto":
            return self._params.parallel_fits
        if time.monotonic() - self._counted_s > COUNT_S:
            self._counted_s = time.monotonic()
            self._room = sum(node.num_times(self._need) for node in connection.nodes())
        return max(1, self._room)

    def run(self, works: Iterable[W]) -> Iterator[tuple[W, Exception | None]]:
        """Run all work, and yield each with its error as it ends; see `Engine`."""
        self._table.num_all += len(works) if isinstance(works, Sized) else 0
        waiting, is_drawn = iter(works), False
        while self._sent or not is_drawn:
            while not is_drawn and len(self._sent) < self.width:
                work = next(waiting, None)
                is_drawn = work is None
                if work is not None and work.is_done:
                    yield work, None
                elif work is not None:
                    self._send(work)
            yield from self._ended()
            self._table.refresh()

    def _send(self, work: Work) -> None:
        shared = self._params.shared_disk
        if work.run is not None and not shared:
            work.prepare()  # opens its run here, for whoever follows it
        order = Order(
            type(work),
            work.model_dump_json(),
            {**self._environment, **self._table.environment},
            versions(),
            f"{Path.cwd()}",
            None if shared else self._packer.pack(work),
            self._params.checkpoint_url,
        )
        self._sent[self._tasks.send(order, work.title)] = work
        self._table.add(work, "ray")

    def _ended(self) -> Iterator[tuple[Any, Exception | None]]:
        if not self._sent:
            return
        for reference in tasks.ended(list(self._sent), POLL_S):
            work = self._sent.pop(reference)
            self._table.remove(work)
            yield work, self._delivered(work, tasks.outcome(reference, work.title))

    def _delivered(self, work: Work, outcome: Outcome) -> Exception | None:
        """Keep what some work has written, and return its error."""
        try:
            write(outcome.files, Path())
        except UserError as full:
            return full
        if outcome.error is None:
            work.mark_done()
            if self._params.checkpoint_url:
                CheckpointStore(self._params.checkpoint_url, work.folder).clear()
        return outcome.error

    def stop(self) -> None:
        """Ask all that runs to leave, and wait until it has."""
        tasks.cancel(list(self._sent))
        self._sent.clear()
        self._table.close()


def _refuse_launchers(execution: Execution, hardware: Hardware) -> None:
    if hardware.num_nodes > 1:
        raise UserError(
            f"hardware.num_nodes: got {hardware.num_nodes}, but the engine ray runs each fit on "
            "one node; allowed 1, or the engine local with execution.command"
        )
    if execution.command:
        raise UserError(
            f"execution.command: got {execution.command!r}, but Ray starts the fits; allowed null"
        )


def _need(params: Params, hardware: Hardware, nodes: list[Node]) -> dict[str, float]:
    """Return what each fit needs of a node.

    Raises:
        UserError: no node has it.
    """
    most_gpus = max((int(node.resources.get("GPU", 0)) for node in nodes), default=0)
    if hardware.accelerator == "gpu" and not most_gpus:
        raise UserError(
            f"hardware.accelerator: got gpu, but none of Ray's {len(nodes)} nodes has a GPU; "
            "allowed auto, cpu, or start a node with `ray start --num-gpus`"
        )
    if hardware.accelerator == "cpu" or not most_gpus:
        most = max((int(node.resources.get("CPU", 0)) for node in nodes), default=0)
        _require("hardware.devices × threads", hardware.devices * hardware.threads, most, "CPUs")
        return {"CPU": float(hardware.devices * hardware.threads)}
    _require("hardware.devices", hardware.devices, most_gpus, "GPUs")
    if hardware.devices > 1 and params.fits_per_device > 1:
        raise UserError(
            f"execution.engine.fits_per_device: got {params.fits_per_device} for fits on "
            f"{hardware.devices} devices, which Ray does not share; allowed 1"
        )
    return {"GPU": hardware.devices / params.fits_per_device}


def _require(field: str, wanted: int, most: int, what: str) -> None:
    if wanted > most:
        raise UserError(
            f"{field}: got {wanted}, but no node of Ray has more than {most} {what}; allowed at "
            f"most {most}, or start a larger node"
        )


def _check_nodes(params: "Params", need: dict[str, float]) -> None:
    """Raise UserError where a node that has room for a fit cannot run it."""
    token = Path.cwd() / TOKENS / uuid4().hex
    token.parent.mkdir(parents=True, exist_ok=True)
    token.touch()
    able = [node for node in connection.nodes() if node.num_times(need)]
    try:
        seen = f"{token}" if params.shared_disk else None
        answers = connection.ask_each(able, check, seen, params.checkpoint_url, versions())
    finally:
        token.unlink()
    for node, answer in answers:
        if answer:
            raise UserError(f"execution.engine: node {node.address} of Ray: {answer}")
