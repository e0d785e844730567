"""Trials as fits, each in a process of its own with fixed settings."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from pipeline.config.params import Params
from pipeline.config.recipes import override
from pipeline.config.types import Value
from pipeline.core.errors import UserError
from pipeline.core.run_log import Spool
from pipeline.execution.fit_process import FitProcess
from pipeline.execution.job import Job
from pipeline.execution.messages import Diverged, FitError

Settings = dict[str, Value]


def trial(
    params: Params, recipe: str, number: int, settings: Settings, *, spool: Spool, work: Path
) -> Job:
    """Describe the fit of one trial: one device and one thread, as trials share the machine.

    Args:
        work: a folder that survives if the search is killed: a search that starts again asks for
            the same trials, and each resumes from its checkpoint.

    Raises:
        UserError: the recipe does not allow these settings.
    """
    search = params.recipes[recipe].search
    assert search is not None
    return Job(
        title=f"search {recipe} trial {number}",
        recipe=override(params.recipes[recipe], {**settings, "training.epochs": search.epochs}),
        task=params.task,
        hardware=params.hardware.on_one_device().model_copy(update={"threads": 1}),
        seed=search.seed,
        is_first=number == 0,
        folder=f"{work / spool.folder.name}",
        spool=f"{spool.folder}",
    )


def run_together(jobs: Mapping[str, Job], monitor: str) -> list[float]:
    """Train all jobs at once and return the best metric of each, in order.

    No trial outlives this call. A trial that diverges has the value infinity and does not end the
    search.

    Args:
        jobs: the fits, by the name that an error gives them.
        monitor: the name of the metric.

    Raises:
        UserError: a trial refused its settings, or ended in another way.
    """
    with ExitStack() as stack:
        started = {called: stack.enter_context(FitProcess(job)) for called, job in jobs.items()}
        return [
            best(Spool(Path(job.spool)), monitor)
            if _ends_well(called, started[called])
            else math.inf
            for called, job in jobs.items()
        ]


def _ends_well(called: str, process: FitProcess) -> bool:
    """Wait for a trial, and return False if it has diverged."""
    try:
        process.wait()
    except Diverged as error:
        print(f"{called}: {error}; the search continues", flush=True)
        return False
    except (UserError, FitError) as error:
        raise UserError(f"{called}: {error}") from None
    return True


def best(spool: Spool, monitor: str) -> float:
    """Return the lowest value of the metric over all epochs."""
    return min(figure.value for figure in spool.figures() if figure.name == monitor)
