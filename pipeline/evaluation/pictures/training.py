"""Plots of training."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.evaluation.histories import Epoch
from pipeline.evaluation.pictures.figure import begin, save


def learning_curves(path: Path, epochs: Sequence[Epoch], monitor: str) -> None:
    """Plot the monitored metric of every member by epoch."""
    figure, axes = begin(7.0, 4.0)
    for member in dict.fromkeys(row.member for row in epochs):
        own = [row for row in epochs if row.member == member]
        axes.plot([row.epoch for row in own], [row.figure for row in own], label=member)
    axes.set(xlabel="epoch", ylabel=monitor)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save(figure, path)
