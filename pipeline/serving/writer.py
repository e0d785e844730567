"""Write the answers for files as CSV or Parquet, part by part.

Mappings become one column for each name, such as `probs.cat`. CSV holds lists as JSON, and nothing
for null.
"""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from pipeline.core.errors import FULL, UserError
from pipeline.core.kind import Kind
from pipeline.serving.table import CONTENTS, Columns

FORMATS = (".csv", ".parquet")


class Writer(Protocol):
    """A table that is being written."""

    def write(self, part: Columns) -> None:
        """Add rows: the names of files, and their answers."""


def check_output(output: Path | None) -> None:
    """Refuse a file that is neither CSV nor Parquet, and a folder.

    Raises:
        UserError: names it.
    """
    if output and output.suffix.lower() not in FORMATS:
        raise UserError(f"--output: got {output}; allowed a name that ends in .csv or .parquet")
    if output and output.is_dir():
        raise UserError(f"--output: got {output}, which is a folder; name a file")


@contextmanager
def opened(output: Path | None, kind: Kind, names: Sequence[str]) -> Iterator[Writer]:
    """Open a table, which appears under its name at the end; None prints CSV.

    Raises:
        UserError: there cannot be such a file.
    """
    if output is None:
        yield _Csv(sys.stdout, kind, names)
        return
    unfinished = output.with_name(f"{output.name}.part")
    _make(unfinished, output)
    try:
        if output.suffix.lower() == ".csv":
            with unfinished.open("w", newline="", encoding="utf-8") as file:
                yield _Csv(file, kind, names)
        else:
            with closing(_Parquet(unfinished, kind, names)) as table:
                yield table
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


def _make(unfinished: Path, output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
    except OSError as error:
        if error.errno in FULL:
            raise
        raise UserError(
            f"--output: got {output}, which cannot be written ({error.strerror}); name a file "
            "in a folder where you may write"
        ) from None


def headings(kind: Kind, names: Sequence[str]) -> dict[str, str]:
    """Return what each column holds: a name, names or a number."""
    found = {"file": "name"}
    for column, held in CONTENTS[kind].items():
        each = [f"{column}.{name}" for name in names] if held == "numbers" else [column]
        found |= dict.fromkeys(each, "number" if held == "numbers" else held)
    return {**found, "error": "name"}


def _flat(part: Columns, kind: Kind, names: Sequence[str]) -> list[list[Any]]:
    """Return the columns in the order of their headings."""
    found = [part["file"]]
    for column, held in CONTENTS[kind].items():
        if held == "numbers":
            rows = [row or {} for row in part[column]]
            found += [[row.get(name) for row in rows] for name in names]
        else:
            found.append(part[column])
    return [*found, part["error"]]


class _Csv:
    def __init__(self, file: IO[str], kind: Kind, names: Sequence[str]) -> None:
        self._kind, self._names = kind, names
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(headings(kind, names))

    def write(self, part: Columns) -> None:
        """Add rows."""
        rows = zip(*_flat(part, self._kind, self._names), strict=True)
        self._rows.writerows([_cell(held) for held in row] for row in rows)


def _cell(held: Any) -> Any:
    return json.dumps(held, ensure_ascii=False) if isinstance(held, list) else held


class _Parquet:
    def __init__(self, path: Path, kind: Kind, names: Sequence[str]) -> None:
        import pyarrow
        from pyarrow.parquet import ParquetWriter

        self._kind, self._names, self._table = kind, names, pyarrow.table
        text = pyarrow.string()
        types = {"name": text, "names": pyarrow.list_(text), "number": pyarrow.float64()}
        self._schema = pyarrow.schema(
            [(heading, types[held]) for heading, held in headings(kind, names).items()]
        )
        self._file = ParquetWriter(path, self._schema)

    def write(self, part: Columns) -> None:
        """Add a row group."""
        columns = _flat(part, self._kind, self._names)
        named = dict(zip(self._schema.names, columns, strict=True))
        self._file.write_table(self._table(named, schema=self._schema))

    def close(self) -> None:
        """Write the end of the file."""
        self._file.close()
