"""Make soups: networks whose weights are means of those of members."""

from typing import Any

from pipeline.artifacts import Card, read_json, write_json
from pipeline.component import retuple
from pipeline.params import Recipe
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    made = {name: _make(stage, name) for name in stage.params.soups}
    write_json(stage.outputs.soups / "soups.json", made)


def _make(stage: Stage, name: str) -> list[dict[str, Any]]:
    """One network, or one a fold; and what of it is known."""
    from pipeline import cpu
    from pipeline.network import Network
    from pipeline.training.datamodule import Inputs
    from pipeline.training.soup import make_soup

    cpu.use(stage.params.hardware.threads)
    settings, found = stage.params.soups[name], []
    first = stage.params.members[settings.members[0]]
    chosen = read_json(stage.inputs.search(first.recipe) / "chosen.json")
    recipe = Recipe.model_validate(retuple(chosen))
    for fold in range(Card.load(stage.inputs.card).num_folds):
        folders = {m: stage.inputs.member(m) / f"fold_{fold}" for m in settings.members}
        soup = make_soup(
            {member: Network.load(folder) for member, folder in folders.items()},
            settings.method,
            Inputs.open(stage.inputs, fold),
            training=recipe.training,
            task=stage.params.task,
            seed=first.seed,
            hardware=stage.params.hardware,
        )
        soup.network.save(stage.outputs.soup(name) / f"fold_{fold}", recipe.model)
        stage.spool.record({f"{name}/val/loss": soup.loss}, step=fold)
        print(f"{name}: {soup.loss:.4g} on validation, of {', '.join(soup.used)}", flush=True)
        found.append({"used": soup.used, "loss": soup.loss, "members": soup.losses})
    return found


if __name__ == "__main__":
    run("soup", main)
