"""`python -m pipeline COMMAND`: what is not a stage."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline import params
from pipeline.component import load, resolve
from pipeline.errors import UserError, nearest

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
PARAMS_FILE = Path("params.yaml")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The parameter file to check.")] = PARAMS_FILE,
) -> None:
    """Check a parameter file and that its data is there, before any work."""
    loaded = params.load(file)
    if not Path(loaded.data.path).is_dir():
        raise UserError(
            f"{file}: data.path: got {loaded.data.path}, which is not a folder; "
            "put the data there or name the folder that holds it"
        )
    for recipe in loaded.recipes.values():
        if recipe.model.model_dump().get("pretrained"):
            module, own = resolve("model", recipe.model)
            module.check(own)  # the weights are there, or can be had
    print(f"{file}: {len(loaded.members)} members, {len(loaded.recipes)} recipes: fine")


@app.command()
def summary(
    name: Annotated[str, typer.Argument(help="A recipe, a model, or an architecture by name.")],
    shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option(help="Height, width, channels; of the processed data where none is given."),
    ] = None,
    outputs: Annotated[
        int | None, typer.Option(help="Number of logits; of the task where none is given.")
    ] = None,
) -> None:
    """Show a network's layers, sizes, multiply-adds, memory and receptive field.

    Where it starts from pretrained weights, their licence, source and input statistics too.
    """
    import rich

    from pipeline.artifacts import Card, Layout
    from pipeline.depth import blocks
    from pipeline.models._origin import describe
    from pipeline.summary import choose, rows, table

    loaded, card_file = params.load(PARAMS_FILE), Layout().card
    model = choose(name, loaded.recipes)
    if shape is None or outputs is None:
        if not card_file.is_file():
            raise UserError(
                f"{card_file}: not found; run `dvc repro preprocess`, "
                "or write --shape 32 32 3 --outputs 10"
            )
        card = Card.load(card_file)
        shape = shape or card.image_shape
        outputs = outputs or load("task", loaded.task).num_outputs(len(card.classes))
    module, own = resolve("model", model)
    body = module.build(own, shape, outputs)
    rich.print(table(f"{name}, {shape}, {len(blocks(body))} blocks", rows(body, shape)))
    if origin := describe(model):
        print(origin)


@app.command()
def sync() -> None:
    """Bring MLflow to the state of the artifacts; safe to repeat."""
    from pipeline.tracking.mirror import Mirror
    from pipeline.tracking.store import TrackingError, uri

    try:
        num_runs = Mirror().sync()
    except TrackingError as error:
        raise UserError(f"tracking: {uri()}: {error}; start the server and repeat") from None
    print(f"{uri()}: {num_runs} runs")


@app.command()
def ui(
    port: Annotated[int | None, typer.Option(help="A free one where none is given.")] = None,
) -> None:
    """Serve the MLflow pages of this repository on the loopback address."""
    from pipeline import process
    from pipeline.tracking.store import Store
    from pipeline.tracking.ui import serve

    process.exit_on_sigterm()
    store = Store(params.load(PARAMS_FILE).tracking.experiment)  # creates what is not there yet
    raise typer.Exit(serve(store.page, port))


@app.command()
def gradcheck(
    recipe: Annotated[str, typer.Argument(help="A recipe of the parameter file.")],
    file: Annotated[Path, typer.Option(help="The parameter file.")] = PARAMS_FILE,
    size_px: Annotated[int, typer.Option(min=1, help="Side of the random images.")] = 32,
    channels: Annotated[int, typer.Option(min=1, max=3)] = 3,
) -> None:
    """Compare a recipe's gradients with finite differences; status 1 where one differs."""
    loaded = params.load(file)
    own, failed = _recipe(loaded, recipe, file), []
    from pipeline.gradcheck import TOLERANCE, checks

    for found in checks(own.model, own.loss, loaded.task, (size_px, size_px, channels)):
        verdict = "fine" if found.passed else "WRONG"
        print(f"{found.error:8.1e}  {verdict:5}  {found.num_elements:>12,}  {found.name}")
        failed += [] if found.passed else [found.name]
    if failed:
        raise UserError(
            f"{recipe}: {len(failed)} gradients differ from finite differences by more than "
            f"{TOLERANCE:g}: {', '.join(failed)}; correct the backward of what they pass through"
        )
    print(f"{recipe}: no gradient differs from its finite difference by more than {TOLERANCE:g}")


@app.command()
def compare(
    states: Annotated[
        list[str],
        typer.Argument(help="Git revisions, DVC experiments, MLflow run ids, or `workspace`."),
    ],
) -> None:
    """Compare the chosen ensembles of several states with the first, on the samples they share."""
    loaded = params.load(PARAMS_FILE)
    import rich
    from rich.markdown import Markdown

    from pipeline.comparing.run import run

    text, path = run(states, loaded)
    rich.print(Markdown(text))
    print(f"kept in {path}")


@app.command()
def latency(
    num_rounds: Annotated[int, typer.Option(min=5, help="How often each system is timed.")] = 50,
) -> None:
    """Time every member and the chosen ensemble on this machine, for 1 image and for 64."""
    loaded = params.load(PARAMS_FILE)
    from pipeline.artifacts import Layout
    from pipeline.evaluation import tables
    from pipeline.latency import latencies

    found = latencies(Layout(), loaded, num_rounds)
    tables.write(Layout().latency, found)
    for row in found:
        took = row.median_ms
        interval = f"[{took.low:.2f}, {took.high:.2f}]"
        print(f"{row.system:20}  {row.batch_size:3} images  {took.value:8.2f} ms {interval}")
    print(f"medians of {num_rounds}, {loaded.evaluation.confidence:.0%} intervals")


@app.command()
def lr(recipe: Annotated[str, typer.Argument(help="A recipe of params.yaml.")]) -> None:
    """Try rising learning rates on a recipe's data and a network to throw away; suggest some."""
    from pipeline import process
    from pipeline.artifacts import Layout

    loaded, layout = params.load(PARAMS_FILE), Layout()
    own = _recipe(loaded, recipe, PARAMS_FILE)
    for needed in (layout.card, layout.augmentation / "policy.json"):
        if not needed.is_file():
            raise UserError(f"{needed}: not found; run `dvc repro augment`")
    process.prepare()
    from pipeline.training.datamodule import Inputs
    from pipeline.training.find_lr import find_lr
    from pipeline.training.lr_finder import chart, suggest

    inputs = Inputs.open(layout)
    points = find_lr(own, inputs, task=loaded.task, seed=0, hardware=loaded.hardware)
    found = suggest(points)
    print(chart(points, found))
    print(
        f"{PARAMS_FILE}: recipes.{recipe}.training.lr: {own.training.lr:g} now; suggested "
        f"{min(found):.2g} to {max(found):.2g}"
    )


def _recipe(loaded: params.Params, name: str, file: Path) -> params.Recipe:
    if name not in loaded.recipes:
        raise UserError(f"{file}: recipes: got {name!r}; {nearest(name, loaded.recipes)}")
    return loaded.recipes[name]


def main() -> None:
    try:
        app()
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
