"""Read columns of a CSV file as text, and check each row."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.core.errors import UserError
from pipeline.preprocessing.reading.columns import Columns, require


def read(path: Path, wanted: Sequence[str], separator: str) -> Columns:
    """Return the columns `wanted`, with spaces around cells stripped; blank lines are ignored.

    Raises:
        UserError: the file is not UTF-8, has no header, lacks a column or holds it twice, or has a
            row of another length or a quote without its end; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _rows(file, separator, path)
            _, header = next(rows, (0, []))
            if not header:
                raise UserError(f"{path}: empty; allowed a header and one row per image")
            require(wanted, header, str(path), _other_separator(header))
            return _collect(rows, header, wanted, path)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from None


def _rows(file: Iterable[str], separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader, line = csv.reader(file, delimiter=separator, strict=True), 0
    try:
        for row in reader:
            line = reader.line_num
            if row:
                yield line, [cell.strip() for cell in row]
    except csv.Error as error:
        raise UserError(f"{path}: line {line + 1}: {error}; correct its quotes") from None


def _collect(
    rows: Iterator[tuple[int, list[str]]], header: list[str], wanted: Sequence[str], path: Path
) -> Columns:
    lines: list[int] = []
    cells: dict[str, list[str]] = {name: [] for name in wanted}
    places = [(header.index(name), column) for name, column in cells.items()]
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(
                f"{path}: line {line}: {len(row)} cells, but the header has {len(header)}; "
                "correct it (a cell that contains the separator must be quoted)"
            )
        lines.append(line)
        for place, column in places:
            column.append(row[place])
    return Columns(str(path), cells, lambda row: f"line {lines[row]}")


def _other_separator(header: list[str]) -> str:
    """Advise on a header that seems to be one column."""
    found = next((mark for mark in ";\t|," if mark in header[0]), None)
    if len(header) > 1 or found is None:
        return ""
    return f"; if {found!r} separates the cells, set data.source.separator"
