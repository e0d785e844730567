"""Train one member with its recipe's chosen settings: one network, or one for each fold.

A member that is a trial takes the network of its search.
"""

import csv
import shutil
from pathlib import Path

from pipeline.config.class_names import check_class_names
from pipeline.config.components import network_code
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.config.recipes import Recipe
from pipeline.core.artifacts import Card
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CODE
from pipeline.core.run_log import Spool, nested_run
from pipeline.core.stage import Stage, Turn, run
from pipeline.execution.ahead import run_ahead
from pipeline.execution.job import Job


def main(stage: Stage[Params]) -> None:
    check_class_names(stage.params, Card.load(stage.inputs.card).classes)
    member, folder = stage.params.members[stage.key], stage.outputs.member(stage.key)
    made_of = stage.inputs.search(member.recipe)
    folder.mkdir(parents=True, exist_ok=True)
    if member.trial:
        _take(stage, made_of / "fold_0", folder / "fold_0")
    else:
        _train(stage, folder)
    write_json(folder / CODE, network_code(read_json(made_of / CODE)))


def _take(stage: Stage[Params], network: Path, target: Path) -> None:
    """Take the network of a trial, and log what its training has logged."""
    shutil.copytree(network, target)
    with (network / "history.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            epoch = int(row.pop("epoch")) - 1
            stage.spool.record({name: float(value) for name, value in row.items()}, epoch)
    number = read_json(network.parent / "trial.json")["number"]
    stage.spool.tag({"convoy.trial": str(number)})


def _train(stage: Stage[Params], folder: Path) -> None:
    fits = _fits(stage, stage.own)
    for fold, fit in enumerate(fits):
        stage.spool.show(Spool(Path(fit.spool)), f"fold_{fold}" if len(fits) > 1 else "")
        # By this path, the launchers of further nodes start the fit there.
        (stage.scratch / f"fold_{fold}.json").symlink_to(fit.file.resolve())
    run_ahead("train", stage, lambda turn: _fits(stage, turn), stage.params.hardware)
    for fold, fit in enumerate(fits):
        shutil.copytree(f"{fit.network}", folder / f"fold_{fold}")
    if len(fits) == 1:
        stage.spool.tag(Spool(Path(fits[0].spool)).tags)


def _fits(stage: Stage[Params], turn: Turn) -> list[Job]:
    """Return the fits of a member, one for each fold; a trial needs none."""
    member, num_folds = stage.params.members[turn.key], Card.load(stage.inputs.card).num_folds
    if member.trial:
        return []
    recipe, fits = Recipe.load(stage.inputs.search(member.recipe) / "chosen.json"), []
    for fold in range(num_folds):
        folder, several = turn.work / f"fold_{fold}", num_folds > 1
        fits.append(
            Job(
                title=f"train {turn.key}" + (f" fold {fold}" if several else ""),
                recipe=recipe,
                task=stage.params.task,
                hardware=stage.params.hardware,
                execution=stage.params.execution,
                seed=member.seed,
                init_seed=member.init_seed,
                fold=fold,
                is_first=fold == 0,
                folder=f"{folder}",
                spool=f"{folder / 'run'}",
                run=nested_run(turn.run, f"fold_{fold}", {}) if several else turn.run,
                network=f"{folder / 'network'}",
            )
        )
    return fits


if __name__ == "__main__":
    run("train", parse_params, main)
