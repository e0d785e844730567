"""Pictures of an evaluation, the same bytes for the same numbers."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from pipeline.evaluation.intervals import Estimate

mpl.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
BLUE, ORANGE = "#3466a8", "#d1731f"


def confusion(path: Path, counts: Int[np.ndarray, "k k"], classes: list[str], title: str) -> None:
    """Rows are true classes; colour is the share of the row, the number the count."""
    size = 2.2 + 0.5 * len(classes)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        colour = "white" if share[row, column] > 0.5 else "black"
        number = str(counts[row, column])
        axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    _save(figure, path)


def systems(path: Path, rows: dict[str, Estimate], ensembles: set[str], label: str) -> None:
    """A figure and its interval for every system, best first."""
    ordered = sorted(rows.items(), key=lambda item: item[1].value)
    figure = Figure(figsize=(7, 1 + 0.35 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for height, (name, estimate) in enumerate(ordered):
        colour = ORANGE if name in ensembles else BLUE
        axes.plot([estimate.low, estimate.high], [height, height], color=colour, linewidth=2)
        axes.plot(estimate.value, height, "o", color=colour)
    axes.set_yticks(range(len(rows)), [name for name, _ in ordered])
    axes.grid(axis="x", alpha=0.3)
    num_samples = ordered[0][1].num_samples
    axes.set(xlabel=f"{label} on {num_samples:,} test samples", title="ensembles in orange")
    _save(figure, path)


def learning_curves(path: Path, histories: dict[str, list[dict[str, float]]], name: str) -> None:
    """One figure of every member by epoch."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for member, history in histories.items():
        epochs = [row["epoch"] for row in history]
        axes.plot(epochs, [row[name] for row in history], label=member)
    axes.set(xlabel="epoch", ylabel=name)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
