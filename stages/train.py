"""Train one member with its recipe's chosen settings: one network, or one a fold."""

import csv
from pathlib import Path

from pipeline.artifacts import Card, read_json
from pipeline.component import retuple
from pipeline.params import Recipe
from pipeline.spool import Spool
from pipeline.stage import Stage, run
from pipeline.training.data import Inputs
from pipeline.training.fit import fit


def main(stage: Stage) -> None:
    num_folds = Card.load(stage.inputs.card).num_folds
    for fold in range(num_folds):
        spool = stage.spool if num_folds == 1 else stage.spool.nested(f"fold_{fold}", {})
        title = f"train {stage.key}" + (f" fold {fold}" if num_folds > 1 else "")
        _train(stage, fold, spool, title)


def _train(stage: Stage, fold: int, spool: Spool, title: str) -> None:
    member = stage.params.members[stage.key]
    settings = read_json(stage.inputs.search(member.recipe) / "chosen.json")
    recipe = Recipe.model_validate(retuple(settings))
    network = fit(
        recipe,
        Inputs.open(stage.inputs, fold),
        task=stage.params.task,
        seed=member.seed,
        init_seed=member.init_seed,
        hardware=stage.params.hardware,
        record=spool.record,
        folder=stage.work / f"fold_{fold}",
        title=title,
    )
    if network is None:
        return  # one of many processes, and another one writes
    folder = stage.outputs.member(stage.key) / f"fold_{fold}"
    network.save(folder, recipe.model)
    stage.spool.tag(network.arithmetic.tags())
    _write_history(spool, folder / "history.csv")


def _write_history(spool: Spool, path: Path) -> None:
    """The spool as a table: one row an epoch."""
    rows: dict[int, dict[str, float]] = {}
    for figure in spool.figures():
        rows.setdefault(figure.step, {"epoch": figure.step + 1})[figure.name] = figure.value
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows.values())


if __name__ == "__main__":
    run("train", main, on_all_ranks=True)
