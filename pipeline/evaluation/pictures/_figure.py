"""The look of all pictures, and how they become files."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
MEMBER, ENSEMBLE = "#3466a8", "#d1731f"
MOST_LINES, MOST_CELLS = 10, 30
"""Lines in a picture; names on a side of a square, beyond which they are too many to be read."""


def begin(width: float, height: float) -> tuple[Figure, Axes]:
    """Inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.subplots()
    return figure, axes


def name_both(axes: Axes, names: Sequence[str]) -> None:
    """Rows and columns of a square."""
    if len(names) > MOST_CELLS:
        return
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def words(name: str) -> str:
    return name.replace("_", " ")
