"""Train one member with its recipe's chosen settings."""

import csv

from pipeline.artifacts import read_json
from pipeline.component import retuple
from pipeline.params import Recipe
from pipeline.stage import Stage, run
from pipeline.training.data import Inputs
from pipeline.training.fit import fit


def main(stage: Stage) -> None:
    member = stage.params.members[stage.key]
    settings = read_json(stage.inputs.search(member.recipe) / "chosen.json")
    recipe = Recipe.model_validate(retuple(settings))
    inputs = Inputs.open(stage.inputs)
    network = fit(
        recipe,
        inputs,
        task=stage.params.task,
        seed=member.seed,
        hardware=stage.params.hardware,
        record=stage.spool.record,
        scratch=stage.scratch / "checkpoints",
        title=f"train {stage.key}",
    )
    network.save(stage.outputs.member(stage.key), recipe.model, inputs.card.image_shape)
    _write_history(stage)


def _write_history(stage: Stage) -> None:
    """The spool as a table: one row an epoch."""
    rows: dict[int, dict[str, float]] = {}
    for figure in stage.spool.figures():
        rows.setdefault(figure.step, {"epoch": figure.step + 1})[figure.name] = figure.value
    with (stage.outputs.member(stage.key) / "history.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows.values())


if __name__ == "__main__":
    run("train", main)
