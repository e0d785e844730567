"""The style of all plots, and how they are saved."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
MEMBER, ENSEMBLE = "#3466a8", "#d1731f"
MOST_LINES, MOST_CELLS = 10, 30
"""The most lines in a plot, and the most names along a side of a matrix, that stay legible."""


def begin(width: float, height: float) -> tuple[Figure, Axes]:
    """Start a figure; sizes are in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.subplots()
    return figure, axes


def name_both(axes: Axes, names: Sequence[str]) -> None:
    """Label the rows and columns of a matrix with the same names."""
    if len(names) > MOST_CELLS:
        return
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def words(name: str) -> str:
    return name.replace("_", " ")
