"""Trials as processes of their own, forked from a server that has imported torch once."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import Layout
from pipeline.params import Params, Value, override, parse
from pipeline.spool import Spool


@dataclass(frozen=True)
class Job:
    """All that a trial needs, in plain types: it travels to another process."""

    tree: dict[str, Any]
    """The parameters, as plain types."""
    recipe: str
    number: int
    settings: dict[str, Value]
    spool: Path
    scratch: Path


def processes(parallel: int) -> ProcessPoolExecutor:
    """A pool whose workers live for one trial each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.training.fit"])
    return ProcessPoolExecutor(parallel, context, initializer=_prepare, max_tasks_per_child=1)


def run(job: Job) -> float:
    """Train one trial on one device with one thread; the lowest val/log_loss it reached."""
    from pipeline.training.data import Inputs
    from pipeline.training.fit import MONITOR, fit

    params = parse(job.tree, "params.yaml")
    search = params.recipes[job.recipe].search
    assert search is not None
    recipe = override(
        params.recipes[job.recipe], {**job.settings, "training.epochs": search.epochs}
    )
    spool = Spool(job.spool)
    one_process = {"devices": 1, "threads": 1, "loader_workers": 0}
    fit(
        recipe,
        Inputs.open(Layout()),
        task=params.task,
        seed=search.seed,
        hardware=params.hardware.model_copy(update=one_process),
        record=spool.record,
        scratch=job.scratch,
        title=f"search {job.recipe} trial {job.number}",
    )
    return min(figure.value for figure in spool.figures() if figure.name == MONITOR)


def tree_of(params: Params) -> dict[str, Any]:
    """`params` as plain types, which `params.parse` takes back."""
    return params.model_dump()


def _prepare() -> None:
    from pipeline import process

    process.prepare()
