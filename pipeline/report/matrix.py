"""Matrices whose rows and columns have the same names, in SVG units; a template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pipeline.report.plot import CHARACTER_PX, WIDTH

CELL_PX = 26
MIN_CELL_PX = 40
GAP_PX = 16  # between a name and its row


class Heat(NamedTuple):
    """One cell of a matrix. `share`: the strength of its colour, 0..1."""

    text: str
    share: float
    title: str
    look: str = "warm"


@dataclass(frozen=True)
class Matrix:
    """A matrix of numbers, coloured by their strength."""

    TEMPLATE: ClassVar[str] = "matrix.svg"
    ROLE: ClassVar[str] = "table"
    name: str
    """The name of its file."""
    title: str
    meaning: str
    corner: str
    """What rows and columns stand for."""
    names: Sequence[str]
    cells: Sequence[Sequence[Heat | None]]

    @property
    def cell_width(self) -> int:
        texts = [cell.text for row in self.cells for cell in row if cell]
        return max(MIN_CELL_PX, _length(texts) + 10)

    @property
    def left(self) -> int:
        return _length([*self.names, self.corner]) + GAP_PX

    @property
    def is_upright(self) -> bool:
        """Whether the names of columns fit above them without being turned."""
        return _length(self.names) < self.cell_width

    @property
    def top(self) -> int:
        return CELL_PX if self.is_upright else _length(self.names) + GAP_PX

    @property
    def width(self) -> int:
        return self.left + self.cell_width * len(self.names)

    @property
    def height(self) -> int:
        return self.top + CELL_PX * len(self.names)

    @property
    def shown_width(self) -> int:
        """The width on the page, in px."""
        return round(1.15 * self.width)

    @property
    def is_broad(self) -> bool:
        """Whether it takes more room than a plot."""
        return self.width > WIDTH


def _length(texts: Sequence[str]) -> int:
    return round(CHARACTER_PX * max(map(len, texts), default=0))
