"""`convoy reproduce`: run what a commit computed again, and compare every output and figure."""

from typing import Annotated

import typer

from pipeline.config.load import load_params
from pipeline.core.paths import PARAMS_FILE


def reproduce(
    state: Annotated[
        str, typer.Argument(help="A git revision, a DVC experiment, or the id of an MLflow run.")
    ],
) -> None:
    """Run a state again from its data, and say whether its outputs and figures are the same.

    It runs in a clean clone in .convoy/reproduce, without anything that was computed before. Exit
    status: 0 if all is identical or within float noise, 1 if not.
    """
    experiment = load_params(PARAMS_FILE).tracking.experiment
    from rich.console import Console
    from rich.table import Table

    from pipeline.comparison.repetition import commit_of, repeat

    found = repeat(commit_of(state, experiment))
    table = Table("entry", "output", "compared", box=None)
    for output in found.outputs:
        table.add_row(output.entry, output.path, f"{output}")
    Console(width=None if Console().is_terminal else 160, markup=False).print(table)
    for said in found.sentences():
        print(said)
    if not found.is_reproduced:
        raise typer.Exit(1)
