"""`convoy summary`: describe the layers and the cost of a network."""

from typing import Annotated

import typer

from pipeline.config.load import load_params
from pipeline.core.component import load
from pipeline.core.errors import UserError
from pipeline.core.paths import PARAMS_FILE


def summary(
    name: Annotated[str, typer.Argument(help="A recipe, a model, or an architecture by name.")],
    shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option(help="Height, width, channels; by default those of the processed data."),
    ] = None,
    outputs: Annotated[
        int | None, typer.Option(help="Number of logits; by default that of the task.")
    ] = None,
) -> None:
    """Show a network's layers, sizes, multiply-adds, receptive fields and memory.

    For pretrained weights, also show their licence, source and input statistics.
    """
    import rich

    from pipeline.core.artifacts import Card
    from pipeline.core.paths import Layout
    from pipeline.models.blocks import blocks
    from pipeline.models.provenance import describe
    from pipeline.models.summary import choose, table

    loaded, card_file = load_params(PARAMS_FILE), Layout().card
    model = choose(name, loaded.recipes)
    if shape is None or outputs is None:
        if not card_file.is_file():
            raise UserError(
                f"{card_file}: not found; run `dvc repro preprocess`, or pass --shape 32 32 3 "
                "--outputs 10"
            )
        card = Card.load(card_file)
        shape = shape or card.image_shape
        outputs = outputs or load("task", loaded.task).num_outputs(len(card.classes))
    body = load("model", model).build(model, shape, outputs)
    rich.print(table(f"{name}, {shape}, {len(blocks(body))} blocks", body, shape))
    if origin := describe(model):
        print(origin)
