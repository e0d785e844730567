"""The blocks that make up a section of the page. Each has a template that draws it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, NamedTuple

from pipeline.evaluation.intervals import Estimate
from pipeline.report import wording
from pipeline.report.bars import Bar, Scale
from pipeline.report.matrix import Matrix
from pipeline.report.plot import Plot


class Column(NamedTuple):
    """A column heading, and the number of decimals that the numbers below it share."""

    name: str
    is_number: bool = True
    decimals: Callable[[Iterable[float]], int] = wording.decimals


class Cell(NamedTuple):
    """A table cell with its sort key."""

    text: str = ""
    sort: str | float = ""
    detail: str = ""
    bar: Bar | None = None
    look: str = ""
    """A class of style.css."""
    fill: float | None = None
    """The length of a bar from the left, in percent of the width."""
    numbers: tuple[float, ...] = ()
    """A value, or a value with its interval, which the table writes like all of their column."""
    is_signed: bool = False

    def written(self, digits: int) -> "Cell":
        """Return the cell with its numbers as text."""
        if not self.numbers:
            return self
        form = wording.signed if self.is_signed else wording.figure
        value, *ends = self.numbers
        detail = wording.interval(ends, digits) if ends and isfinite(ends[0]) else self.detail
        return self._replace(text=form(value, digits), detail=detail)


NONE = Cell(wording.NONE, "")


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by any column. The first cell of a row is its heading."""

    TEMPLATE: ClassVar[str] = "table.html"
    title: str
    meaning: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    is_folded: bool = False
    """Collapsed until the reader opens it."""

    @property
    def written(self) -> list[list[Cell]]:
        """Return the rows with all numbers as text."""
        digits = [
            column.decimals(number for row in self.rows for number in row[place].numbers)
            for place, column in enumerate(self.columns)
        ]
        return [
            [cell.written(own) for cell, own in zip(row, digits, strict=True)] for row in self.rows
        ]


@dataclass(frozen=True)
class Figures:
    """Plots and matrices side by side."""

    TEMPLATE: ClassVar[str] = "figures.html"
    drawings: Sequence[Plot | Matrix]


class Picture(NamedTuple):
    """Images that belong together, as data URIs with their alternative texts."""

    images: Sequence[tuple[str, str]]
    caption: str
    id: str = ""


@dataclass(frozen=True)
class Gallery:
    """Images with captions."""

    TEMPLATE: ClassVar[str] = "gallery.html"
    title: str
    meaning: str
    pictures: Sequence[Picture]
    look: str = "thumbs"


@dataclass(frozen=True)
class Facts:
    """Terms with their values."""

    TEMPLATE: ClassVar[str] = "facts.html"
    facts: Sequence[tuple[str, str]]


Block = Table | Figures | Gallery | Facts


class Section(NamedTuple):
    """A part of the page with a heading and an entry in the contents."""

    id: str
    title: str
    lead: str
    blocks: Sequence[Block]


def text(given: str, look: str = "") -> Cell:
    return Cell(given, given, look=look)


def number(value: float) -> Cell:
    return Cell(sort=value, numbers=(value,))


def count(value: int | float) -> Cell:
    """Return the cell of a count, abbreviated where it is large."""
    return Cell(wording.amount(value) if value >= 10_000 else f"{value:,.0f}", value)


def p_value(p: float, *, is_shown: bool = False) -> Cell:
    return Cell(wording.p_value(p), p, look="shown" if is_shown else "")


def estimated(found: Estimate, scale: Scale | None = None, *, is_signed: bool = False) -> Cell:
    """Return the cell of a value with its interval, and a bar if there is a scale for it."""
    bar = scale.bar(found) if scale else None
    return Cell(sort=found.value, bar=bar, numbers=found[:3], is_signed=is_signed)
