"""Parquet files of encoded images, as Hugging Face's `datasets` writes them.

Images are a column of bytes, or of {bytes, path}; a label is a string, or a number whose name is in
the file's metadata. Files named `train…`, `validation…` (or `val…`, `valid…`) and `test…` are
splits.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.core.component import Component
from pipeline.core.errors import UserError
from pipeline.core.files import is_litter
from pipeline.core.kind import Kind
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.reading.class_labels import class_labels, named
from pipeline.preprocessing.reading.columns import (
    ClassNames,
    Columns,
    Names,
    OtherNames,
    chosen,
    require,
)
from pipeline.preprocessing.reading.files import as_id, existing
from pipeline.preprocessing.reading.spelling import groups_in
from pipeline.preprocessing.reading.splits import SPLITS

if TYPE_CHECKING:
    import numpy as np

    from pipeline.preprocessing.reading.row_groups import Group

SPLIT = re.compile(r"(train|validation|valid|val|test)(?![a-z])", re.IGNORECASE)


class Params(Component):
    """The roles of the columns."""

    image: str = "image"
    target: Names = "label"
    """The column of classes, or of labels, as a list or separated by |; or several columns, of 0
    and 1 for labels, of numbers for values."""
    id: str | None = None
    """The column of unique ids; null takes an image's own path, or else its file and row."""
    classes: ClassNames | None = None
    """All names in the target column, in the order of their indices; null takes those of the
    metadata, or sorts those that occur."""
    group: str | None = None
    """The column of groups that may not be separated: a patient, a scene."""
    split: str | None = None
    """The column of train, val and test; null uses the names of the files."""
    metadata: OtherNames = ()
    """Columns to slice results by."""


class Part(NamedTuple):
    """One file without its images."""

    name: str
    """Path relative to the folder, without .parquet."""
    ids: list[str]
    cells: dict[str, list[str]]
    groups: list[Group]
    classes: tuple[str, ...] | None
    """The names behind the numbers of its labels."""


def load(params: Params, folder: Path, kind: Kind) -> Listing:
    """List one sample per row, in the order of the files' names; no image is read.

    Raises:
        UserError: there is no Parquet file, files differ in their columns, only some are named like
            a split, a row group is too large to hold, an id occurs twice, or a target is wrong.
    """
    from pipeline.preprocessing.reading.row_groups import Rows
    from pipeline.preprocessing.reading.targets import targets

    existing(folder)
    paths, others = _paths(folder)
    parts = [_read(path, folder, params) for path in paths]
    columns = _together(parts, folder)
    names = params.classes or _class_names(parts, folder)
    found, classes = targets(columns, params.target, kind, names)
    ids = [sample for part in parts for sample in part.ids]
    columns.refuse_twice(ids, "name a column of unique ids in data.source.id")
    groups = [group for part in parts for group in part.groups]
    return Listing(
        ids=ids,
        targets=found,
        classes=classes,
        read=Rows(groups, [0, *accumulate(group.num_rows for group in groups)][:-1]),
        given=columns.splits(params.split) if params.split else _given(parts, folder),
        groups=groups_in(columns, params.group),
        metadata={name: columns.cells[name] for name in params.metadata},
        ignored=others,
    )


def _paths(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the Parquet files, and the names of all others, including hidden files.

    What systems leave in any folder, such as `.DS_Store`, is left out.
    """
    found, others = [], []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if any(map(is_litter, name.split("/"))):
            continue
        if path.suffix == ".parquet" and "/." not in f"/{name}":
            found.append(path)
        else:
            others.append(as_id(name))
    if not found:
        raise UserError(f"{folder}: contains no .parquet file; add one or correct data.path")
    return found, others


def _read(path: Path, folder: Path, params: Params) -> Part:
    from pipeline.preprocessing.reading import parquet
    from pipeline.preprocessing.reading.row_groups import row_groups

    name = path.relative_to(folder).with_suffix("").as_posix()
    columns = [*chosen(params.target), params.id, params.group, params.split, *params.metadata]
    wanted = list(dict.fromkeys(column for column in columns if column))
    with parquet.opened(path) as file:
        schema = file.schema_arrow
        require([params.image, *wanted], schema.names, str(path))
        groups = row_groups(file, path, params.image)
        cells = parquet.cells(file, wanted)
        ids = cells[params.id] if params.id else _own_ids(file, params.image, name)
    classes = None
    if isinstance(params.target, str) and schema.metadata:
        classes = class_labels(schema.metadata, params.target)
        cells[params.target] = [named(cell, classes) for cell in cells[params.target]]
    return Part(name, ids, cells, groups, classes)


def _own_ids(file: Any, image: str, name: str) -> list[str]:
    """Return each image's path within its file's split, or its file and row if it has no path."""
    import pyarrow as pa

    from pipeline.preprocessing.reading import parquet

    split = _split(name)
    before = f"{split}/" if split else ""
    rows = [f"{name}/{row:06d}" for row in range(file.metadata.num_rows)]
    kind = file.schema_arrow.field(image).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return rows
    paths = parquet.cells(file, [f"{image}.path"])[f"{image}.path"]
    return [before + path if path else row for path, row in zip(paths, rows, strict=True)]


def _together(parts: list[Part], folder: Path) -> Columns:
    starts = [0, *accumulate(len(part.ids) for part in parts)]
    cells = {name: [c for part in parts for c in part.cells[name]] for name in parts[0].cells}
    if not starts[-1]:
        raise UserError(f"{folder}: its Parquet files have no rows; add one row per image")

    def place(row: int) -> str:
        part = bisect_right(starts, row) - 1
        return f"{parts[part].name} row {row - starts[part] + 1}"

    return Columns(str(folder), cells, place)


def _class_names(parts: list[Part], folder: Path) -> tuple[str, ...] | None:
    if len({part.classes for part in parts}) > 1:
        other = next(part for part in parts if part.classes != parts[0].classes)
        raise UserError(
            f"{folder}: {parts[0].name} and {other.name} name their labels differently; "
            "write both from one data set"
        )
    return parts[0].classes


def _given(parts: list[Part], folder: Path) -> np.ndarray | None:
    import numpy as np

    splits = [_split(part.name) for part in parts]
    named = [split for split in splits if split]
    if not named:
        return None
    if len(named) < len(parts):
        other = parts[splits.index(None)].name
        raise UserError(
            f"{folder}: {other} belongs to no split, but other files do; begin the names of all "
            f"files, or of none, with {', '.join(SPLITS)}"
        )
    return np.repeat(named, [len(part.ids) for part in parts])


def _split(name: str) -> str | None:
    """Return the split that the beginning of the file's name, or of its folder's, indicates."""
    found = (SPLIT.match(word) for word in reversed(name.split("/")[-2:]))
    return next((SPLITS[match[1].lower()] for match in found if match), None)
