"""The command line: `convoy COMMAND`, or `python -m pipeline COMMAND`."""

import sys
from typing import Annotated

import typer

from pipeline.cli.adopt import adopt
from pipeline.cli.check import check
from pipeline.cli.compare import compare
from pipeline.cli.dashboard import dashboard
from pipeline.cli.gradcheck import gradcheck
from pipeline.cli.latency import latency
from pipeline.cli.lr import lr
from pipeline.cli.predict import predict
from pipeline.cli.promote import promote
from pipeline.cli.reproduce import reproduce
from pipeline.cli.serve import serve
from pipeline.cli.status import status
from pipeline.cli.summary import summary
from pipeline.cli.sync import sync
from pipeline.cli.ui import ui
from pipeline.cli.version import versions
from pipeline.cli.worker import worker
from pipeline.core.errors import UserError, full_disk

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
for command in (
    check,
    compare,
    status,
    ui,
    sync,
    lr,
    summary,
    gradcheck,
    latency,
    adopt,
    worker,
    dashboard,
    predict,
    serve,
    promote,
    reproduce,
):
    app.command()(command)


def _show_version(is_asked: bool) -> bool:
    if is_asked:
        print(versions())
        raise typer.Exit
    return is_asked


@app.callback()
def convoy(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the installed versions."
        ),
    ] = False,
) -> None:
    """Turn labelled images into an ensemble, compared with its members, and a model to deploy.

    `dvc repro` runs the stages; these commands do the rest.
    """


def main() -> None:
    """Run a command; a user's mistake gives a one-line message and exit status 1."""
    try:
        app(prog_name="convoy")
    except UserError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(full_disk(error))
