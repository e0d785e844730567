"""The files of a packaged ensemble, and the version of their layout; imports nothing heavy."""

from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError
from pipeline.core.files import read_json

FORMAT = 1
"""The layout and the meaning of a packaged ensemble's files. Raise it when either changes."""
INSIDE = Path("artifacts/ensemble")
"""The folder of the ensemble in the model."""
SETTINGS = "prediction.json"


def settings(folder: Path) -> dict[str, Any]:
    """Return the settings of a packaged ensemble, after a look at its format."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: not found; run `dvc repro package`, or name the folder of a packaged model"
        )
    try:
        how = read_json(folder / SETTINGS)
    except (OSError, UserError):
        how = {}
    if how.get("format") != FORMAT:
        raise UserError(
            f"{folder}: packaged by another version of Convoy, in format {how.get('format')}; this "
            f"one reads format {FORMAT}: package it again with `dvc repro package`, or load it in "
            "a Python that has not imported this Convoy, which then runs the code that it carries"
        )
    return dict(how)
