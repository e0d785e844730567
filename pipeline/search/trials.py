"""Trials as fits, each in a process of its own on fixed settings."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from pipeline.errors import UserError
from pipeline.params import Params, Value, override
from pipeline.spool import Spool
from pipeline.training.job import Job
from pipeline.training.start import FitError, FitProcess

Settings = dict[str, Value]


def trial(
    params: Params, recipe: str, number: int, settings: Settings, *, spool: Spool, scratch: Path
) -> Job:
    """Describe the fit of one trial: one device, one thread, as trials share the machine.

    Raises:
        UserError: the recipe does not allow these settings.
    """
    search = params.recipes[recipe].search
    assert search is not None
    alone = {"threads": 1, "loader_workers": 0}
    return Job(
        title=f"search {recipe} trial {number}",
        recipe=override(params.recipes[recipe], {**settings, "training.epochs": search.epochs}),
        task=params.task,
        hardware=params.hardware.on_one_device().model_copy(update=alone),
        seed=search.seed,
        folder=f"{scratch / spool.folder.name}",
        spool=f"{spool.folder}",
    )


def run_together(jobs: Mapping[str, Job], monitor: str) -> list[float]:
    """Train all jobs at once; return the best figure of each, in order.

    However this ends, no trial goes on.

    Args:
        jobs: by what an error is to call them.
        monitor: the figure's name.

    Raises:
        UserError: a trial refused its settings, or ended in another way.
    """
    with ExitStack() as stack:
        started = {
            called: stack.enter_context(FitProcess(job, Path(job.folder) / "job.json"))
            for called, job in jobs.items()
        }
        for called, process in started.items():
            try:
                process.wait()
            except (UserError, FitError) as error:
                raise UserError(f"{called}: {error}") from None
    return [best(Spool(Path(job.spool)), monitor) for job in jobs.values()]


def best(spool: Spool, monitor: str) -> float:
    """The lowest finite figure of an epoch; infinite for a trial that diverged from the start."""
    values = (figure.value for figure in spool.figures() if figure.name == monitor)
    return min(filter(math.isfinite, values), default=math.inf)
