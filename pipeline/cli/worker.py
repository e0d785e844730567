"""`convoy worker`: run trials of a search that other machines run too."""

import shutil
import socket
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.common import recipe_of
from pipeline.config.components import require_current
from pipeline.config.load import load_params
from pipeline.core.errors import UserError
from pipeline.core.paths import PARAMS_FILE


def worker(recipe: Annotated[str, typer.Argument(help="A recipe of params.yaml.")]) -> None:
    """Run trials of a recipe's search until its budget is spent, beside `dvc repro search`."""
    from pipeline.core import process
    from pipeline.core.lock import hold
    from pipeline.core.paths import SCRATCH, Layout
    from pipeline.core.run_log import Spool
    from pipeline.core.stage import turn

    loaded, layout = load_params(PARAMS_FILE), Layout()
    own = recipe_of(loaded, recipe, PARAMS_FILE)
    if own.search is None:
        raise UserError(f"{PARAMS_FILE}: recipes.{recipe}.search: got null; write one")
    if loaded.execution.search_storage is None:
        raise UserError(
            f"{PARAMS_FILE}: execution.search_storage: got null; allowed the address of a database "
            "that all workers reach, such as postgresql://user@host:5432/database"
        )
    for needed in (layout.card, layout.augmentation / "policy.json"):
        if not needed.is_file():
            raise UserError(f"{needed}: not found; run `dvc repro augment`, or `dvc pull`")
    require_current(loaded, layout, recipe)
    process.prepare_command()
    folder = SCRATCH / "workers" / socket.gethostname() / recipe  # nodes may share a disk
    lock = hold(SCRATCH / "locks" / f"worker@{recipe}@{socket.gethostname()}", f"worker {recipe}")
    task = turn("search", recipe)
    task = task._replace(work=folder / task.work.name)
    for other in set(folder.glob("*")) - {task.work}:  # of other parameters, code or data
        shutil.rmtree(other)
    spool = Spool(_emptied(task.work / "run"))
    spool.begin(task.run)

    from pipeline.search.session import Session, run_session
    from pipeline.search.spec import StudySpec

    trials = run_session(
        Session(loaded, StudySpec.of(loaded, recipe), task, spool, layout, is_guest=True)
    )
    complete = sum(trial.state == "COMPLETE" for trial in trials)
    print(f"worker {recipe}: {complete} of {len(trials)} trials of the study are complete")
    shutil.rmtree(task.work)
    lock.close()


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder
