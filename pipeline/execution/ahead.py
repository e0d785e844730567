"""Runs the work of one entry, and with it the work of the entries that DVC will run next.

DVC runs one entry at a time, so the first entry of a stage has the engine do all the work of that
stage which is due; the others then find theirs done, and only move it into place.
"""

from collections.abc import Callable
from typing import TypeVar

from pipeline.config.hardware import Hardware
from pipeline.config.params import Params
from pipeline.core.stage import Stage, Turn, turn
from pipeline.execution.engine import open_engine
from pipeline.execution.planned import planned
from pipeline.execution.work import Work

W = TypeVar("W", bound=Work)


def run_ahead(
    name: str, stage: Stage[Params], works_of: Callable[[Turn], list[W]], hardware: Hardware
) -> list[W]:
    """Do all work of an entry and of those that are due, and return that of the entry itself.

    Work of another entry that fails is reported here, and again by its own entry.

    Args:
        name: the name of the stage.
        works_of: returns the work of one entry.
        hardware: what each piece of work needs.

    Raises:
        UserError, FitError: work of the entry itself failed, after all other work has ended.
    """
    works = works_of(stage.own)
    if all(work.is_done for work in works):
        return works
    failed: Exception | None = None
    with open_engine(stage.params.execution, hardware) as engine:
        others = [turn(name, key) for key in planned(name) if key != stage.key]
        ahead = [work for other in others for work in works_of(other)]
        for work, error in engine.run([*works, *ahead]):
            if error:
                print(f"{work.title}: {error}", flush=True)
            if error and work in works:
                failed = failed or error
    if failed:
        raise failed
    return works
