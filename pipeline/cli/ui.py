"""`convoy ui`: serve the MLflow pages of this repository."""

from typing import Annotated

import typer

from pipeline.config.load import load_params
from pipeline.core.paths import PARAMS_FILE


def ui(
    port: Annotated[int | None, typer.Option(help="The port; a free one by default.")] = None,
) -> None:
    """Serve the MLflow pages of this repository on the loopback address."""
    from pipeline.core import process
    from pipeline.tracking.store import Store
    from pipeline.tracking.ui import serve

    process.exit_on_sigterm()
    store = Store(load_params(PARAMS_FILE).tracking.experiment)  # creates the database if missing
    raise typer.Exit(serve(store.page, port))
