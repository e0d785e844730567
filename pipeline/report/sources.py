"""Readers for the results, JSON files and images that other stages wrote."""

from base64 import b64encode
from pathlib import Path
from typing import Any

from pipeline.core.files import read_json
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.tables import Row

IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


def tree(path: Path) -> Any:
    """Return the content of a JSON file; None where the task has no such file."""
    return read_json(path) if path.is_file() else None


def picture(path: Path) -> str:
    """Return an image as a data URI, so that the page needs no other file."""
    return f"data:{IMAGE_TYPES[path.suffix]};base64,{b64encode(path.read_bytes()).decode()}"


def estimate(row: Row, value: str = "value", ends: str = "") -> Estimate:
    """Read an estimate from the columns `value`, `{ends}low` and `{ends}high`."""
    found, low, high = (float(row[name] or "nan") for name in (value, f"{ends}low", f"{ends}high"))
    return Estimate(found, low, high, int(row["num_samples"]))
