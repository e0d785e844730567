"""Train one student: a network that learns from the ensemble's out-of-fold predictions."""

import shutil
from pathlib import Path

from pipeline.config.components import network_code
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.config.recipes import Recipe
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CODE
from pipeline.core.run_log import Spool
from pipeline.core.stage import Stage, Turn, run
from pipeline.execution.ahead import run_ahead
from pipeline.execution.job import Job


def main(stage: Stage[Params]) -> None:
    folder = stage.outputs.student(stage.key)
    fit = _fit(stage, stage.own)
    stage.spool.show(Spool(Path(fit.spool)))
    # By this path, the launchers of further nodes start the fit there.
    (stage.scratch / "fold_0.json").symlink_to(fit.file.resolve())
    run_ahead("distil", stage, lambda turn: [_fit(stage, turn)], stage.params.hardware)
    shutil.copytree(f"{fit.network}", folder / "fold_0")
    stage.spool.tag(Spool(Path(fit.spool)).tags)
    made_of = stage.inputs.search(stage.params.distil[stage.key].recipe)
    write_json(folder / CODE, network_code(read_json(made_of / CODE)))


def _fit(stage: Stage[Params], turn: Turn) -> Job:
    """Return the fit of a student, whose validation fold is the first."""
    student, folder = stage.params.distil[turn.key], turn.work / "fold_0"
    return Job(
        title=f"distil {turn.key}",
        recipe=Recipe.load(stage.inputs.search(student.recipe) / "chosen.json"),
        task=stage.params.task,
        hardware=stage.params.hardware,
        execution=stage.params.execution,
        seed=student.seed,
        student=student,
        folder=f"{folder}",
        spool=f"{folder / 'run'}",
        run=turn.run,
        network=f"{folder / 'network'}",
    )


if __name__ == "__main__":
    run("distil", parse_params, main)
