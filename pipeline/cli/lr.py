"""`convoy lr`: suggest learning rates for a recipe."""

from typing import Annotated

import typer

from pipeline.cli.common import recipe_of
from pipeline.config.load import load_params
from pipeline.core.errors import UserError
from pipeline.core.paths import PARAMS_FILE


def lr(recipe: Annotated[str, typer.Argument(help="A recipe of params.yaml.")]) -> None:
    """Try rising learning rates on a recipe's data with a throwaway network; suggest some."""
    from pipeline.core import process
    from pipeline.core.paths import Layout

    loaded, layout = load_params(PARAMS_FILE), Layout()
    own = recipe_of(loaded, recipe, PARAMS_FILE)
    for needed in (layout.card, layout.augmentation / "policy.json"):
        if not needed.is_file():
            raise UserError(f"{needed}: not found; run `dvc repro augment`")
    process.prepare()
    from pipeline.lr_finder.find import find_lr
    from pipeline.lr_finder.sweep import chart, suggest
    from pipeline.training.datamodule import Inputs

    inputs = Inputs.open(layout, policy=own.policy)
    points = find_lr(own, inputs, task=loaded.task, seed=0, hardware=loaded.hardware)
    found = suggest(points)
    print(chart(points, found))
    print(
        f"{PARAMS_FILE}: recipes.{recipe}.training.lr: {own.training.lr:g} now; suggested "
        f"{min(found):.2g} to {max(found):.2g}"
    )
