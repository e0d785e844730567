"""Trials as processes of their own, forked from a server that has imported torch once."""

import math
import multiprocessing
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from pipeline.artifacts import Layout
from pipeline.errors import UserError
from pipeline.params import Params, Value, override
from pipeline.spool import Spool

ERROR_FILE = "error.txt"


@dataclass(frozen=True)
class Job:
    """All that a trial needs, in plain types: it travels to another process."""

    tree: dict[str, Any]
    """The parameters, checked, as plain types."""
    recipe: str
    number: int
    settings: dict[str, Value]
    spool: Path
    scratch: Path


def run_together(jobs: list[Job], monitor: str) -> list[float]:
    """Train all jobs at once; the best figure of each, in order.

    However this ends, no trial goes on.

    Args:
        monitor: the figure's name.

    Raises:
        UserError: a trial refused its settings, or ended in another way.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.training.fit"])
    workers = [context.Process(target=_train, args=(job,)) for job in jobs]
    try:
        for worker in workers:
            worker.start()
        for job, worker in zip(jobs, workers, strict=True):
            worker.join()
            _check(job, worker)
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
    return [best(Spool(job.spool), monitor) for job in jobs]


def _train(job: Job) -> None:
    """One device, one thread: trials share the machine by their number."""
    from pipeline import process

    process.prepare()
    from pipeline.training.data import Inputs
    from pipeline.training.fit import fit

    params = Params.model_validate(job.tree)
    search = params.recipes[job.recipe].search
    assert search is not None
    settings = {**job.settings, "training.epochs": search.epochs}
    one_process = {"threads": 1, "loader_workers": 0}
    try:
        fit(
            override(params.recipes[job.recipe], settings),
            Inputs.open(Layout()),
            task=params.task,
            seed=search.seed,
            hardware=params.hardware.on_one_device().model_copy(update=one_process),
            record=Spool(job.spool).record,
            folder=job.scratch,
            title=f"search {job.recipe} trial {job.number}",
        )
    except UserError as error:
        job.scratch.mkdir(parents=True, exist_ok=True)
        (job.scratch / ERROR_FILE).write_text(str(error))
        sys.exit(1)


def _check(job: Job, worker: ForkServerProcess) -> None:
    if worker.exitcode == 0:
        return
    told = job.scratch / ERROR_FILE
    reason = told.read_text() if told.is_file() else f"ended with exit status {worker.exitcode}"
    raise UserError(f"trial {job.number} {job.settings}: {reason}")


def best(spool: Spool, monitor: str) -> float:
    """The lowest finite figure of an epoch; infinite for a trial that diverged from the start."""
    values = (figure.value for figure in spool.figures() if figure.name == monitor)
    return min(filter(math.isfinite, values), default=math.inf)
