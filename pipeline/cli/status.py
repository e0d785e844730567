"""`convoy status`: which entries are up to date, and which runs in MLflow are theirs."""

import sys

from pipeline.config.load import load_params
from pipeline.core.files import read_yaml
from pipeline.core.paths import PARAMS_FILE


def status() -> None:
    """Show which entries are up to date, and their runs and models in MLflow.

    `current` artifacts belong to the present parameters, code and data, however they came there:
    they ran, or DVC had kept them. `dvc repro` makes what is `changed` or `missing`, and
    `convoy sync` brings MLflow up to date.
    """
    from rich.console import Console
    from rich.table import Table

    from pipeline.tracking.failures import TrackingError
    from pipeline.tracking.presence import presence
    from pipeline.tracking.store import Store

    tree = read_yaml(PARAMS_FILE)
    store: Store | None = None
    try:
        store = Store(load_params(PARAMS_FILE).tracking.experiment)
    except TrackingError as error:
        print(f"{error}; runs are not shown", file=sys.stderr)
    table = Table("entry", "artifacts", "MLflow run", "status", "models", box=None)
    for row in presence(tree, store):
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 160).print(table)
