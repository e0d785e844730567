"""The journal: the storage of a study that one process runs, a file in its work folder."""

from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline.core.errors import UserError

JOURNAL = "study.journal"


def open_journal(path: Path) -> BaseStorage:
    """Open a journal in a file, which only this process writes.

    A process that was killed may have left a lock, and a last line that is torn.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            path.write_bytes(content[:whole])
    return JournalStorage(JournalFileBackend(f"{path}"))


class _ReadOnlyFile(JournalFileBackend):
    """A journal that another process writes."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:  # noqa: ARG002
        raise UserError("the journal of a search that runs can only be read")


def read_journal(path: Path) -> BaseStorage:
    """Open the journal of a search that runs; what would change it fails."""
    return JournalStorage(_ReadOnlyFile(f"{path}"))
