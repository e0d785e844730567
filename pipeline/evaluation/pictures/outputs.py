"""Plots of one system: confusion matrix, threshold curves and reliability diagram."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from pipeline.evaluation.curves import PrecisionPoint, ReliabilityBin, RocPoint
from pipeline.evaluation.pictures.figure import (
    ENSEMBLE,
    MOST_CELLS,
    MOST_LINES,
    begin,
    name_both,
    save,
    words,
)


def confusion(
    path: Path,
    decided: Int[np.ndarray, " n"],
    targets: Int[np.ndarray, " n"],
    classes: Sequence[str],
    title: str,
) -> None:
    """Draw the confusion matrix: rows are true classes, colour is the fraction of the row."""
    num = len(classes)
    counts = np.bincount(targets * num + decided, minlength=num**2).reshape(num, num)
    size = 2.2 + 0.5 * min(num, MOST_CELLS)
    figure, axes = begin(size + 0.6, size)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0) if num <= MOST_CELLS else ():
        colour = "white" if share[row, column] > 0.5 else "black"
        number = str(counts[row, column])
        axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=8)
    name_both(axes, classes)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    save(figure, path)


def thresholds(path: Path, points: Sequence[RocPoint] | Sequence[PrecisionPoint]) -> None:
    """Draw ROC or precision-recall curves, at most ten."""
    figure, axes = begin(6.0, 5.0)
    names = list(dict.fromkeys(point.curve for point in points))[:MOST_LINES]
    _, x, y, _ = points[0]._fields
    for name in names:
        own = [point for point in points if point.curve == name]
        axes.plot(*np.array([point[1:3] for point in own]).T, label=name)
    axes.set(xlabel=words(x), ylabel=words(y), xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.grid(alpha=0.3)
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=8)
    save(figure, path)


def reliability(path: Path, bins: Sequence[ReliabilityBin], title: str) -> None:
    """Draw the reliability diagram of the first curve, which covers all classes."""
    figure, axes = begin(5.0, 5.0)
    own = [found for found in bins if found.curve == bins[0].curve]
    axes.plot([0, 1], [0, 1], "--", color="grey", linewidth=1)
    for found in own:
        axes.plot([found.predicted] * 2, [found.low, found.high], color=ENSEMBLE, linewidth=2)
    axes.plot([b.predicted for b in own], [b.observed for b in own], "o", color=ENSEMBLE)
    axes.set(xlabel="predicted probability", ylabel="observed frequency", title=title)
    axes.grid(alpha=0.3)
    save(figure, path)
