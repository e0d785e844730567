"""A CSV or Parquet file that lists images by path, with their targets beside them."""

import os
from pathlib import Path
from typing import Literal

from pipeline.core.component import Component
from pipeline.core.errors import UserError
from pipeline.core.kind import Kind
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.reading import csv
from pipeline.preprocessing.reading.columns import (
    SHOWN,
    ClassNames,
    Columns,
    Names,
    OtherNames,
    chosen,
    require,
)
from pipeline.preprocessing.reading.files import Files, as_id, existing
from pipeline.preprocessing.reading.spelling import groups_in


class Params(Component):
    """The file, and the roles of its columns."""

    file: str
    """Path relative to data.path; a .parquet file, or CSV with any other extension."""
    image: str = "image"
    """The column of paths, relative to `images`."""
    images: str = "."
    """The images' folder, relative to data.path."""
    target: Names = "label"
    """The column of class names, or of labels separated by |; or several columns, of 0 and 1 for
    labels, of numbers for values."""
    classes: ClassNames | None = None
    """All names in the target column, in index order; null sorts those that occur."""
    group: str | None = None
    """The column of groups that may not be separated: a patient, a scene."""
    split: str | None = None
    """The column of train, val and test, if the split is given."""
    metadata: OtherNames = ()
    """Columns to slice results by. Others are ignored: a table may hold what no report should."""
    separator: Literal[",", ";", "\t", "|"] = ","
    """Separator of a CSV file's cells. It is not guessed: paths and names may hold any of them."""


def load(params: Params, folder: Path, kind: Kind) -> Listing:
    """List one sample per row. An id is the image's path relative to `folder`.

    Raises:
        UserError: the table cannot be read, lacks a column or a cell, names a path that does not
            exist, leads out of `folder` or occurs twice, or has a target that the task cannot
            learn.
    """
    from pipeline.preprocessing.reading.targets import targets

    root = existing(folder)
    names = [params.image, *chosen(params.target), params.group, params.split, *params.metadata]
    wanted = list(dict.fromkeys(name for name in names if name))
    if os.path.normpath(params.file).startswith(("/", "..")):
        raise UserError(
            f"data.source.file: got {params.file}, which lies outside data.path; put the file "
            "below it, so that DVC notices when it changes"
        )
    columns = _read(folder / params.file, wanted, params.separator)
    paths = _paths(columns, params, root)
    found, classes = targets(columns, params.target, kind, params.classes)
    return Listing(
        ids=[as_id(path) for path in paths],
        targets=found,
        classes=classes,
        read=Files(root, paths),
        given=columns.splits(params.split),
        groups=groups_in(columns, params.group),
        metadata={name: columns.cells[name] for name in params.metadata},
    )


def _read(path: Path, wanted: list[str], separator: str) -> Columns:
    if not path.is_file():
        held = ", ".join(sorted(p.name for p in path.parent.glob("*.*"))[:6]) or "nothing"
        raise UserError(
            f"data.source.file: {path} not found; its folder contains {held}; correct the name"
        )
    if path.suffix == ".parquet":
        from pipeline.preprocessing.reading import parquet

        with parquet.opened(path) as file:
            require(wanted, file.schema_arrow.names, str(path))
            cells = parquet.cells(file, wanted)
        columns = Columns(str(path), cells, lambda row: f"row {row + 1}")
    else:
        columns = csv.read(path, wanted, separator)
    if not len(columns):
        raise UserError(f"{path}: a header without rows; add one row per image")
    return columns


def _paths(columns: Columns, params: Params, root: str) -> list[str]:
    """Return the images' paths relative to the root; each is a unique file inside it."""
    written = columns.filled(params.image)
    names = [os.path.normpath(f"{params.images}/{path}") for path in written]
    for row, path in enumerate(written):
        if path.startswith("/") or names[row].startswith(("/", "../")):
            raise UserError(
                f"{columns.at(row)}: {path!r} lies outside data.path; put the image below it"
            )
    _must_exist(columns, names, root)
    columns.refuse_twice(names, "keep one row per image")
    return names


def _must_exist(columns: Columns, names: list[str], root: str) -> None:
    missing = [name for name in names if not os.path.isfile(f"{root}/{name}")]  # noqa: PTH113
    if missing:
        more = ", …" * (len(missing) > SHOWN)
        raise UserError(
            f"{columns.origin}: {len(missing):,} of {len(names):,} images not found below "
            f"data.path: {', '.join(missing[:SHOWN])}{more}; correct the paths or set "
            "data.source.images"
        )
