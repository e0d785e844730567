"""`convoy check`: find mistakes in a parameter file before any work."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.config.class_names import check_class_names
from pipeline.config.load import load_params
from pipeline.config.params import Params
from pipeline.core.component import load
from pipeline.core.dvc_lock import remove_torn_record
from pipeline.core.errors import UserError
from pipeline.core.lock_file import restore_torn
from pipeline.core.paths import PARAMS_FILE


def check(
    file: Annotated[Path, typer.Argument(help="The parameter file to check.")] = PARAMS_FILE,
) -> None:
    """Check a parameter file, and that its data can be found, without reading an image."""
    if remove_torn_record():
        print(".dvc/tmp/rwlock: was left half-written by a DVC command that was killed; removed")
    entries = restore_torn()
    if entries is not None:
        print(
            f"dvc.lock: was left half-written by a DVC command that was killed; restored with "
            f"{len(entries)} entries; what is missing runs again"
        )
    loaded = load_params(file)
    if not Path(loaded.data.path).is_dir():
        raise UserError(
            f"{file}: data.path: got {loaded.data.path}, which is not a folder; "
            "put the data there or name the folder that holds it"
        )
    _check_data(loaded)
    for name, recipe in loaded.recipes.items():
        table = recipe.search.warm_start if recipe.search else None
        if table and not Path(table).is_file():
            raise UserError(
                f"{file}: recipes.{name}.search.warm_start: got {table}, which is not a file; put "
                "the table of trials there"
            )
        if recipe.model.model_dump().get("pretrained"):
            module = load("model", recipe.model)
            module.check(recipe.model)  # the weights exist or can be downloaded
    if loaded.execution.search_storage:
        from pipeline.search.session import open_storage  # optuna takes a second to import

        open_storage(loaded)
    print(f"{file}: {len(loaded.members)} members, {len(loaded.recipes)} recipes: valid")


def _check_data(params: Params) -> None:
    """List the samples; compare the splits that the source brings, and classes, with parameters."""
    from pipeline.preprocessing.split import check_fractions  # scipy takes half a second to import

    data = params.data
    kind = load("task", params.task).Params.KIND
    listing = load("source", data.source).load(data.source, Path(data.path), kind)
    brought = set() if listing.given is None else set(listing.given.tolist()) - {"train"}
    check_fractions(brought, data.val_fraction, data.test_fraction, data.num_folds)
    check_class_names(params, listing.classes)
