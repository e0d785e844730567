"""Trials as fits, each in a process of its own on fixed settings."""

import math
from contextlib import ExitStack
from pathlib import Path

from pipeline.errors import UserError
from pipeline.params import Params, Recipe, Value, override
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
        recipe=_of_trial(params.recipes[recipe], number, settings),
        task=params.task,
        hardware=params.hardware.on_one_device().model_copy(update=alone),
        seed=search.seed,
        folder=f"{scratch / spool.folder.name}",
        spool=f"{spool.folder}",
    )


def run_together(jobs: list[Job], monitor: str) -> list[float]:
    """Train all jobs at once; return the best figure of each, in order.

    However this ends, no trial goes on.

    Args:
        monitor: the figure's name.

    Raises:
        UserError: a trial refused its settings, or ended in another way.
    """
    with ExitStack() as stack:
        started = [
            stack.enter_context(FitProcess(job, Path(job.folder) / "job.json")) for job in jobs
        ]
        for job, process in zip(jobs, started, strict=True):
            try:
                process.wait()
            except (UserError, FitError) as error:
                raise UserError(f"{job.title}: {error}") from None
    return [best(Spool(Path(job.spool)), monitor) for job in jobs]


def best(spool: Spool, monitor: str) -> float:
    """The lowest finite figure of an epoch; infinite for a trial that diverged from the start."""
    values = (figure.value for figure in spool.figures() if figure.name == monitor)
    return min(filter(math.isfinite, values), default=math.inf)


def _of_trial(recipe: Recipe, number: int, settings: Settings) -> Recipe:
    assert recipe.search is not None
    try:
        return override(recipe, {**settings, "training.epochs": recipe.search.epochs})
    except UserError as error:
        raise UserError(f"trial {number} {settings}: {error}") from None
