"""`convoy dashboard`: show the study of a recipe in optuna-dashboard."""

from typing import Annotated, Any

import typer

from pipeline.cli.common import recipe_of
from pipeline.config.load import load_params
from pipeline.config.params import Params
from pipeline.core.errors import UserError
from pipeline.core.paths import PARAMS_FILE, Layout


def dashboard(
    recipe: Annotated[str, typer.Argument(help="A recipe of params.yaml that has a search.")],
    port: Annotated[int | None, typer.Option(help="The port; a free one by default.")] = None,
) -> None:
    """Show the study of a recipe in optuna-dashboard, on the loopback address."""
    loaded = load_params(PARAMS_FILE)
    if recipe_of(loaded, recipe, PARAMS_FILE).search is None:
        raise UserError(f"{PARAMS_FILE}: recipes.{recipe}.search: got null; write one")
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise UserError(
            "dashboard: needs the package optuna-dashboard, which is not installed; install it"
        ) from None
    from pipeline.core import process
    from pipeline.tracking.ui import free_port

    process.exit_on_sigterm()
    storage = _storage(loaded, recipe)  # no command line may show the password of an address
    port = port or free_port()
    print(f"optuna-dashboard: http://127.0.0.1:{port}  (Ctrl-C stops it)", flush=True)
    run_server(storage, host="127.0.0.1", port=port)


def _storage(params: Params, recipe: str) -> Any:
    """Return the shared storage, the record of a search that runs, or the table of one that ended.

    Raises:
        UserError: the recipe has not been searched.
    """
    from pipeline.search.journal import JOURNAL, read_journal
    from pipeline.search.session import open_storage
    from pipeline.search.spec import StudySpec
    from pipeline.search.table import as_study

    shared = open_storage(params)
    if shared:
        return shared.optuna
    from pipeline.core.stage import turn

    journal = turn("search", recipe).work / JOURNAL
    if journal.is_file():
        return read_journal(journal)
    table = Layout().search(recipe) / "trials.csv"
    if not table.is_file():
        raise UserError(f"{table}: not found; run `dvc repro search@{recipe}`")
    return as_study(table, StudySpec.of(params, recipe))
