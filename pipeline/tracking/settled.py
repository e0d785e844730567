"""Whether a sync would find nothing to do, told without MLflow, which takes seconds to import.

This holds for a database that is a file: nobody has written to it since the last sync, which left
no run open, and nothing that a sync reads has changed.
"""

from hashlib import sha256
from pathlib import Path

from pipeline.core.dvcfile import LOCK, content_hash
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import PARAMS_FILE, SCRATCH, Layout
from pipeline.tracking import address
from pipeline.tracking.champion import FILE as CHAMPION
from pipeline.tracking.state import CODE, revision

NOTE = SCRATCH / "synced.json"


def signature() -> str:
    """Identify all that a sync reads: files by their size and time, code by its content."""
    layout = Layout()
    paths = [LOCK, PARAMS_FILE, CHAMPION, layout.card, layout.comparison, layout.report]
    for folder in (layout.runs, layout.plots, layout.model):
        paths += sorted(folder.rglob("*"))
    stats = [_stat(path) for path in paths]
    code = [content_hash(Path(path)) for path in CODE]
    return sha256(f"{address.uri()}{stats}{code}{revision()}".encode()).hexdigest()


def note(signature: str, num_runs: int) -> None:
    """Note that a sync has found this, and what the database is like after it."""
    if _database().is_file():
        held = {"signature": signature, "database": _stat(_database()), "num_runs": num_runs}
        write_json(NOTE, held)


def num_runs(signature: str) -> int | None:
    """Return the number of runs that the last sync has mirrored; None if there may be more."""
    held = read_json(NOTE) if _database().is_file() and NOTE.is_file() else {}
    if held.get("signature") != signature or held["database"] != _stat(_database()):
        return None
    return int(held["num_runs"])


def _database() -> Path:
    """Return the file that holds the runs; there is none where a server does."""
    return Path(address.uri().removeprefix("sqlite:///"))


def _stat(path: Path) -> str:
    if not path.is_file():
        return f"{path}"
    found = path.stat()
    return f"{path} {found.st_size} {found.st_mtime_ns} {found.st_ino}"
