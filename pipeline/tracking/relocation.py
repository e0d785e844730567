"""A local database that was moved or copied with its repository, since MLflow notes whole paths."""

import sqlite3
from contextlib import closing
from pathlib import Path

FOLDER = "mlartifacts"
PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""The columns of MLflow's tables that say where artifacts are."""


def bring_home(database: Path) -> None:
    """Let a database find its artifacts beside itself, wherever they were when it was written."""
    home = (database.parent / FOLDER).as_uri()
    where = f"artifact_location LIKE 'file://%/{FOLDER}' AND artifact_location != ?"
    with closing(sqlite3.connect(database)) as store, store:
        found = store.execute(f"SELECT artifact_location FROM experiments WHERE {where}", (home,))
        for old in {old for (old,) in found}:
            for table, columns in PLACES.items():
                for column in columns:
                    change = f"UPDATE {table} SET {column} = ? || substr({column}, length(?) + 1)"
                    store.execute(f"{change} WHERE substr({column}, 1, length(?)) = ?",
                                  (home, old, old, old))  # fmt: skip
