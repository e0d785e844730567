"""Where runs go: a server or a database, which all working directories of a repository share."""

import os
from pathlib import Path

from pipeline.core.errors import without_passwords

ROOT = Path(str(Path.cwd()).split("/.dvc/tmp/")[0])
"""The repository, even from a temporary DVC workspace: all of them share one database."""
POSTGRESQL = ("postgres", "postgresql")


def own() -> Path:
    """Return the database of the repository."""
    return ROOT / "mlflow.db"


def uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, or the absolute path of the repository's sqlite file.

    The driver of a PostgreSQL database is the one that Convoy's extra installs.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{own()}"
    scheme, mark, rest = given.partition("://")
    return f"postgresql+psycopg://{rest}" if mark and scheme in POSTGRESQL else given


def shown() -> str:
    """Return the address for messages, without its password."""
    return without_passwords(uri())


def is_database() -> bool:
    """Return whether there is no server that would keep the artifacts, too."""
    return not uri().startswith("http")


def is_own() -> bool:
    """Return whether runs go to the database of the repository, and to no other's."""
    return uri() == f"sqlite:///{own()}"


def is_file() -> bool:
    """Return whether runs go to a file, of which the caller is the only server."""
    return uri().startswith("sqlite")
