"""Make model soups: networks whose weights are the means of members' weights."""

from typing import Any

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.config.recipes import Recipe
from pipeline.core.artifacts import Card
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CODE
from pipeline.core.stage import Stage, run


def main(stage: Stage[Params]) -> None:
    made = {name: _make(stage, name) for name in stage.params.soups}
    write_json(stage.outputs.soups / "soups.json", made)


def _make(stage: Stage[Params], name: str) -> list[dict[str, Any]]:
    """Make one soup, for each fold where there are several, and return what is known of each."""
    from pipeline.models import cpu
    from pipeline.models.network import Network
    from pipeline.soups.soup import make_soup
    from pipeline.training.datamodule import Inputs

    cpu.use(stage.params.hardware.threads)
    settings, found = stage.params.soups[name], []
    first = stage.params.members[settings.members[0]]
    recipe = Recipe.load(stage.inputs.search(first.recipe) / "chosen.json")
    for fold in range(Card.load(stage.inputs.card).num_folds):
        folders = {m: stage.inputs.member(m) / f"fold_{fold}" for m in settings.members}
        soup = make_soup(
            {member: Network.load(folder) for member, folder in folders.items()},
            settings.method,
            Inputs.open(stage.inputs, fold, recipe.policy),
            training=recipe.training,
            task=stage.params.task,
            seed=first.seed,
            hardware=stage.params.hardware,
        )
        soup.network.save(stage.outputs.soup(name) / f"fold_{fold}", recipe.model)
        stage.spool.record({f"{name}/val/loss": soup.loss}, step=fold)
        print(f"{name}: {soup.loss:.4g} on validation, of {', '.join(soup.used)}", flush=True)
        found.append({"used": soup.used, "loss": soup.loss, "members": soup.losses})
    made_of = read_json(stage.inputs.member(settings.members[0]) / CODE)
    write_json(stage.outputs.soup(name) / CODE, made_of)
    return found


if __name__ == "__main__":
    run("soup", parse_params, main)
