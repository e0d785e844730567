"""Plots with points, lines and bands on two axes, in SVG units; a template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pipeline.report.axis import Axis

WIDTH, HEIGHT = 380, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 370, 12, 222
LINE_PX = 12  # from one label to the next
CHARACTER_PX = 6.2
KEY_PX = 22  # of a line in the legend
LEGEND_PX = 16  # from one row of the legend to the next

XY = tuple[float, float]


class Mark(NamedTuple):
    """One point. `look` is a class of drawing.css; the title is shown on hover."""

    x: float
    y: float
    title: str
    look: str
    label: str = ""
    """The text beside the point."""
    low: float | None = None
    high: float | None = None
    """The low end of its interval along y; `high` likewise."""


class Line(NamedTuple):
    """A line through points in the order given."""

    points: Sequence[XY]
    look: str
    name: str = ""
    """The name in the legend."""


class Band(NamedTuple):
    """The area between two values of y at each x."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


class Label(NamedTuple):
    x: float
    y: float
    text: str
    anchor: str


class Key(NamedTuple):
    """A line of the legend and its place."""

    line: Line
    x: int
    y: int


@dataclass(frozen=True)
class Plot:
    """A plot. `meaning` is a sentence that tells the reader how to read it."""

    TEMPLATE: ClassVar[str] = "plot.svg"
    ROLE: ClassVar[str] = "img"
    name: str
    """The name of its file."""
    title: str
    meaning: str
    x: Axis
    y: Axis
    marks: Sequence[Mark] = ()
    lines: Sequence[Line] = ()
    bands: Sequence[Band] = ()

    def at(self, x: float, y: float) -> XY:
        across = LEFT + (RIGHT - LEFT) * self.x.place(x)
        return round(across, 1), round(BOTTOM - (BOTTOM - TOP) * self.y.place(y), 1)

    def path(self, points: Sequence[XY]) -> str:
        """Return the `d` attribute of an SVG path."""
        return "M" + "L".join("{:g} {:g}".format(*self.at(*point)) for point in points)

    def outline(self, band: Band) -> str:
        upper = list(zip(band.x, band.high, strict=True))
        lower = list(zip(band.x, band.low, strict=True))
        return self.path(upper + lower[::-1]) + "Z"

    @property
    def labels(self) -> list[Label]:
        """Return the labels of marks without overlap: each moves down to a free position."""
        placed: list[Label] = []
        for mark in sorted((m for m in self.marks if m.label), key=lambda m: -self.y.place(m.y)):
            x, y = self.at(mark.x, mark.y)
            is_left = x + 8 + len(mark.label) * CHARACTER_PX > RIGHT
            label = Label(
                x - 8 if is_left else x + 8, y + 4, mark.label, "end" if is_left else "start"
            )
            while other := next((o for o in placed if _meet(label, o)), None):
                label = label._replace(y=round(other.y + LINE_PX, 1))
            placed.append(label)
        return placed

    @property
    def legend(self) -> list[Key]:
        """Return the named lines in rows below the plot."""
        placed: list[Key] = []
        x, y = 1, HEIGHT + 12
        for line in (line for line in self.lines if line.name):
            length = KEY_PX + 16 + round(len(line.name) * CHARACTER_PX)
            if placed and x + length > WIDTH:
                x, y = 1, y + LEGEND_PX
            placed.append(Key(line, x, y))
            x += length
        return placed

    @property
    def width(self) -> int:
        return WIDTH

    @property
    def height(self) -> int:
        return max([HEIGHT, *(key.y + 8 for key in self.legend)])

    @property
    def shown_width(self) -> str:
        """The width on the page."""
        return "100%"

    @property
    def is_broad(self) -> bool:
        return False


def _meet(first: Label, second: Label) -> bool:
    def ends(label: Label) -> XY:
        length = len(label.text) * CHARACTER_PX
        return (label.x - length, label.x) if label.anchor == "end" else (label.x, label.x + length)

    (a, b), (c, d) = ends(first), ends(second)
    return abs(first.y - second.y) < LINE_PX - 0.1 and a < d and c < b  # 0.1: rounding
