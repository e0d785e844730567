"""Read columns of Parquet files as text."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from pipeline.core.errors import UserError


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a `pyarrow.parquet.ParquetFile`; raise a UserError if the file is not one."""
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}); write it again") from None


def cells(file: Any, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns `names` as text, read by row group; `a.b` is field b of column a."""
    held: dict[str, list[str]] = {name: [] for name in names}
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=list(held))
        flat = table.flatten()
        for name in held:
            column = (table if name in table.column_names else flat)[name]
            held[name] += map(text, column.to_pylist())
    return held


def text(value: Any) -> str:
    """Spell a value as a CSV file would: null is empty, 3.0 is 3, true is 1, a list is a|b."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "|".join(map(text, value)) or "|"
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
