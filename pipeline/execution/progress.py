"""How far some work has come, as its process notes it for whoever shows it."""

import json
from pathlib import Path
from typing import NamedTuple

from pipeline.core.files import read_json

PROGRESS_FILE = "progress.json"
TABLE = "CONVOY_TABLE"
"""The environment variable that tells a process that a table shows its progress."""


def output_file(folder: Path) -> Path:
    """Return where a process writes what it prints while a table is shown."""
    return folder / "output.txt"


class Progress(NamedTuple):
    """The state of a fit at the end of an epoch."""

    epoch: int
    """Epochs that have ended."""
    num_epochs: int
    figure: str
    """The monitored metric and its value."""
    images_per_s: float

    def save(self, folder: Path) -> None:
        """Write it; readers never see half of it."""
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{PROGRESS_FILE}.part"
        unfinished.write_text(json.dumps(self._asdict()))
        unfinished.replace(folder / PROGRESS_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Progress | None":
        """Read it; None before the first epoch's end, and for work without epochs."""
        path = folder / PROGRESS_FILE
        return cls(**read_json(path)) if path.exists() else None
