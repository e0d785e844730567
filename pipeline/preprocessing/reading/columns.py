"""The columns of a table as text, from any type of file, and what they say of the samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.core.errors import UserError, nearest
from pipeline.preprocessing.reading.splits import SPLITS

if TYPE_CHECKING:
    import numpy as np

SHOWN = 10  # rows that a message names


def _distinct(given: str | tuple[str, ...]) -> str | tuple[str, ...]:
    names = chosen(given)
    if len(set(names)) < len(names) or not all(name.strip() for name in names):
        raise PydanticCustomError("names", "each name once, and none that is empty")
    return given


def _some(given: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if not given:
        raise PydanticCustomError("names", "at least one name")
    return given


Names = Annotated[str | tuple[str, ...], AfterValidator(_some), AfterValidator(_distinct)]
"""The name of one column, or of several."""
OtherNames = Annotated[tuple[str, ...], AfterValidator(_distinct)]
ClassNames = Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_distinct)]


@dataclass(frozen=True)
class Columns:
    """Columns of equal length, with one cell per sample; an empty cell is ""."""

    origin: str
    """The name of the table in messages."""
    cells: dict[str, list[str]]
    place: Callable[[int], str]
    """The name of a sample in messages: `line 17`."""

    def __len__(self) -> int:
        return len(next(iter(self.cells.values())))

    def at(self, row: int) -> str:
        return f"{self.origin}: {self.place(row)}"

    def filled(self, name: str) -> list[str]:
        """Return a column without empty cells, or raise a UserError that names the first one."""
        cells = self.cells[name]
        self.refuse([not cell for cell in cells], f"{name} is empty", "fill or remove them")
        return cells

    def refuse(self, bad: Sequence[bool], what: str, advice: str) -> None:
        """Raise a UserError with the first bad rows and their count, if there are any."""
        rows = [row for row, is_bad in enumerate(bad) if is_bad]
        if rows:
            shown = ", ".join(map(self.place, rows[:SHOWN])) + ", …" * (len(rows) > SHOWN)
            raise UserError(
                f"{self.origin}: {what} in {len(rows):,} of {len(bad):,} rows: {shown}; {advice}"
            )

    def refuse_twice(self, values: Sequence[str], advice: str) -> None:
        """Raise a UserError if two samples share one of `values`."""
        first: dict[str, int] = {}
        for row, value in enumerate(values):
            if first.setdefault(value, row) != row:
                raise UserError(
                    f"{self.at(row)}: {value!r} already appears in {self.place(first[value])}; "
                    f"{advice}"
                )

    def splits(self, name: str | None) -> np.ndarray | None:
        """Return train, val or test for every sample, from a column that may use synonyms."""
        if name is None:
            return None
        import numpy as np

        cells = [cell.lower() for cell in self.filled(name)]
        for row, cell in enumerate(cells):
            if cell not in SPLITS:
                raise UserError(f"{self.at(row)}, {name}: got {cell!r}; {nearest(cell, SPLITS)}")
        return np.array([SPLITS[cell] for cell in cells])


def require(names: Sequence[str], held: Sequence[str], origin: str, hint: str = "") -> None:
    """Raise a UserError for the first of `names` that the table lacks, or holds twice."""
    for name in names:
        if name not in held:
            raise UserError(f"{origin}: no column {name!r}; {nearest(name, held)}{hint}")
        if held.count(name) > 1:
            raise UserError(
                f"{origin}: {held.count(name)} columns are named {name!r}; rename all but one"
            )


def chosen(names: Names) -> tuple[str, ...]:
    """Return one or several column names as a tuple."""
    return (names,) if isinstance(names, str) else names
