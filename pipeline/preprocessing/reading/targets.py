"""Read targets from the columns of a table: one class, several labels, or numbers."""

import numpy as np
from jaxtyping import Bool, Float64, Int64

from pipeline.core.errors import UserError, nearest
from pipeline.core.kind import Kind
from pipeline.preprocessing.reading.classes import at_least_two, ordered
from pipeline.preprocessing.reading.columns import Columns, Names, chosen
from pipeline.preprocessing.reading.spelling import NUMBER, check_names

MAX_FLOAT = float(np.finfo(np.float32).max)  # of what a network computes with
TRUTH = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


def targets(
    columns: Columns, target: Names, kind: Kind, classes: tuple[str, ...] | None
) -> tuple[np.ndarray, list[str]]:
    """Return the targets as a listing holds them, and the names of the classes, labels or values.

    For labels, a single column holds names; several columns each hold 0 or 1.

    Raises:
        UserError: a cell is empty, a value is not in `classes`, is not 0 or 1 or is not finite, or
            text appears among numbers.
    """
    if kind == "classes":
        return _classes(columns, target, classes)
    if kind == "labels" and isinstance(target, str):
        return _labels(columns, target, classes)
    if classes is not None:
        raise UserError("data.source.classes: the columns already name the classes; leave it out")
    names = chosen(target)
    return (_values if kind == "values" else _marks)(columns, names), list(names)


def _classes(
    columns: Columns, target: Names, classes: tuple[str, ...] | None
) -> tuple[Int64[np.ndarray, " n"], list[str]]:
    if not isinstance(target, str):
        raise UserError(
            f"data.source.target: got a list of {len(target)}, but the task expects one class "
            "per image; name one column, or choose a multilabel task"
        )
    cells = columns.filled(target)
    known = _known(columns, target, [[cell] for cell in cells], classes)
    index = {name: i for i, name in enumerate(at_least_two(known, columns.origin))}
    return np.array([index[cell] for cell in cells], np.int64), known


def _labels(
    columns: Columns, name: str, classes: tuple[str, ...] | None
) -> tuple[Bool[np.ndarray, "n k"], list[str]]:
    """Read names separated by |; a single | means no label, unlike an empty cell."""
    cells = [[part.strip() for part in cell.split("|")] for cell in columns.filled(name)]
    cells = [[part for part in parts if part] for parts in cells]
    known = _known(columns, name, cells, classes)
    columns.refuse([not known] * len(cells), f"{name} names no label", "add them")
    index = {name: i for i, name in enumerate(known)}
    marks = np.zeros((len(cells), len(known)), bool)
    for row, parts in enumerate(cells):
        marks[row, [index[part] for part in parts]] = True
    return marks, known


def _known(
    columns: Columns, name: str, cells: list[list[str]], classes: tuple[str, ...] | None
) -> list[str]:
    """Return all class names: those given, after checking each cell, or those that occur."""
    first: dict[str, int] = {}
    for row, parts in enumerate(cells):
        for part in parts:
            first.setdefault(part, row)
    if classes is None:
        check_names(columns, name, first, "correct it, or list all classes in data.source.classes")
        _one_type(columns, name, first)
        return ordered(first)
    for value, row in first.items():
        if value not in classes:
            raise UserError(
                f"{columns.at(row)}, {name}: got {value!r}, which is not in data.source.classes; "
                f"{nearest(value, classes)}"
            )
    return list(classes)


def _one_type(columns: Columns, name: str, first: dict[str, int]) -> None:
    """Refuse numbers among text, such as 1, 2, three, which would spell one class in two ways."""
    numbers = [value for value in first if NUMBER.fullmatch(value)]
    words = [value for value in first if not NUMBER.fullmatch(value)]
    if numbers and words:
        raise UserError(
            f"{columns.origin}: {name} contains both numbers and text, {numbers[0]!r} in "
            f"{columns.place(first[numbers[0]])}, {words[0]!r} in "
            f"{columns.place(first[words[0]])}; correct them or list all classes in "
            "data.source.classes"
        )


def _marks(columns: Columns, names: tuple[str, ...]) -> Bool[np.ndarray, "n k"]:
    for name in names:
        cells = columns.filled(name)
        columns.refuse(
            [cell.lower() not in TRUTH for cell in cells],
            f"{name} is neither 0 nor 1",
            "correct them",
        )
    return np.array([[TRUTH[cell.lower()] for cell in columns.cells[n]] for n in names], bool).T


def _values(columns: Columns, names: tuple[str, ...]) -> Float64[np.ndarray, "n t"]:
    for name in names:
        cells = columns.filled(name)
        columns.refuse(
            [not _is_finite(cell) for cell in cells],
            f"{name} is not a finite number",
            "correct or remove them",
        )
    return np.array([columns.cells[name] for name in names], np.float64).T


def _is_finite(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None and abs(float(cell)) <= MAX_FLOAT
