"""Findings as tables: CSV, a row a finding, to look at, sort and act on."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluation.intervals import Estimate

Cells = dict[str, Any]
Row = dict[str, str]


def write(path: Path, rows: Sequence[Any]) -> None:
    """Write named tuples, dataclasses or mappings.

    An estimate becomes the columns NAME, NAME_low, NAME_high and one `num_samples` for all of a
    row's; what is made of parts, such as a cost, becomes a column a part. What a row lacks is left
    empty.
    """
    flat = [dict(_cells(row)) for row in rows]
    heading = list(dict.fromkeys(name for row in flat for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, heading)
        table.writeheader()
        table.writerows(flat)


def read(path: Path) -> list[Row]:
    """The rows of a table; none where there is no such table, as nothing was found."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _cells(row: Any) -> Iterator[tuple[str, Any]]:
    num_samples: int | None = None
    for name, value in _parts(row).items():
        if isinstance(value, Estimate):
            yield from zip((name, f"{name}_low", f"{name}_high"), map(_short, value), strict=False)
            num_samples = value.num_samples if num_samples is None else num_samples
        elif isinstance(value, dict) or hasattr(value, "_asdict"):
            yield from _cells(value)
        else:
            yield name, _short(value)
    if num_samples is not None:
        yield "num_samples", num_samples


def _parts(row: Any) -> Cells:
    if is_dataclass(row):
        return {field.name: getattr(row, field.name) for field in fields(row)}
    parts: Cells = row if isinstance(row, dict) else row._asdict()
    return parts


def _short(value: Any) -> Any:
    """Six digits are more than an interval has to say."""
    return f"{value:.6g}" if isinstance(value, float) else value
