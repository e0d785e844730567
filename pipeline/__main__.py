"""`python -m pipeline COMMAND`: what is not a stage."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline import params
from pipeline.errors import UserError

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
    print(f"{file}: {len(loaded.members)} members, {len(loaded.recipes)} recipes: fine")


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


def main() -> None:
    try:
        app()
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
