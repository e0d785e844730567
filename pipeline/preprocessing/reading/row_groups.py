"""Read encoded images in Parquet files, one row group at a time."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from pipeline.core.errors import UserError
from pipeline.images.bad_image import BadImage

MAX_GROUP_BYTES = 2**30  # a row group is held in memory as a whole


class Group(NamedTuple):
    """One row group, and the column in it that holds bytes."""

    path: str
    number: int
    column: str
    num_rows: int


@dataclass(frozen=True)
class Rows:
    """Reads the image of one row. It holds no open file, so that it can be sent between processes.

    It keeps only the last row group, so it is fast in the order of the rows and slow in any other.
    """

    groups: list[Group]
    starts: list[int]
    """The first row of each group."""

    def __call__(self, row: int) -> bytes:
        """Return the image's bytes; raise BadImage for a null cell or a damaged row group."""
        place = bisect_right(self.starts, row) - 1
        try:
            encoded = _cells(self.groups[place])[row - self.starts[place]].as_py()
        except (pa.ArrowException, OSError) as error:
            raise BadImage("unreadable", f"{self.groups[place].path}: {error}") from None
        if encoded is None:
            raise BadImage("empty", "null")
        return bytes(encoded)


@lru_cache(maxsize=1)
def _cells(group: Group) -> Any:
    with parquet.ParquetFile(group.path, pre_buffer=False) as file:
        table = file.read_row_group(group.number, columns=[group.column], use_threads=False)
        return table.flatten().column(0)  # of {bytes, path} the one that was read


def row_groups(file: Any, path: Path, image: str) -> list[Group]:
    """Return the row groups of an open file.

    Raises:
        UserError: the column `image` holds no bytes, or a row group is too large.
    """
    column = _column(file.schema_arrow.field(image), path)
    found = []
    for index in range(file.num_row_groups):
        group = file.metadata.row_group(index)
        chunks = (group.column(i) for i in range(group.num_columns))
        size = sum(c.total_uncompressed_size for c in chunks if c.path_in_schema == column)
        if size > MAX_GROUP_BYTES:
            raise UserError(
                f"{path}: row group {index} holds {size / 2**30:.1f} GiB of images, allowed "
                f"{MAX_GROUP_BYTES / 2**30:.0f}; write it again with a row_group_size of 1000"
            )
        found.append(Group(str(path), index, column, group.num_rows))
    return found


def _column(field: Any, path: Path) -> str:
    if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
        return f"{field.name}.bytes"
    if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
        return str(field.name)
    raise UserError(
        f"{path}: column {field.name!r} contains {field.type}; allowed bytes, or bytes with a "
        "path; for image files beside the table, set data.source.name: table"
    )
