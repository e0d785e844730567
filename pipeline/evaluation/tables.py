"""Results as CSV tables, one row each, to read, sort and act on."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from math import isnan
from pathlib import Path
from typing import Any

from pipeline.evaluation.intervals import Estimate

Cells = dict[str, Any]
Row = dict[str, str]


def write(path: Path, rows: Sequence[Any]) -> None:
    """Write named tuples, dataclasses or mappings.

    An estimate becomes the columns NAME, NAME_low and NAME_high, and all estimates of a row share
    one column `num_samples`; a value with fields, such as a cost, becomes one column for each
    field. A field that a row lacks is left empty.
    """
    flat = [dict(_cells(row)) for row in rows]
    heading = list(dict.fromkeys(name for row in flat for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, heading)
        table.writeheader()
        table.writerows(flat)


def read(path: Path) -> list[Row]:
    """Return the rows of a table; none if the file is missing, as there was nothing to report."""
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


def named(system: str, rows: Sequence[Any]) -> list[Cells]:
    """Return rows that say which system they are about."""
    return [{"system": system, **_parts(row)} for row in rows]


def _parts(row: Any) -> Cells:
    if is_dataclass(row):
        return {field.name: getattr(row, field.name) for field in fields(row)}
    parts: Cells = row if isinstance(row, dict) else row._asdict()
    return parts


def _short(value: Any) -> Any:
    """Round to six digits, which is more than an interval supports; leave NaN empty."""
    if not isinstance(value, float):
        return value
    return "" if isnan(value) else f"{value:.6g}"
