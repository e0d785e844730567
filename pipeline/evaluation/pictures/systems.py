"""Plots that compare systems: their metric, their cost and the diversity of the members."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from pipeline.evaluation.contributions import Size
from pipeline.evaluation.diversity import Diversity
from pipeline.evaluation.frontier import Priced
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.pictures.figure import (
    ENSEMBLE,
    MEMBER,
    MOST_CELLS,
    begin,
    name_both,
    save,
    words,
)


def systems(path: Path, rows: dict[str, Estimate], ensembles: Collection[str], metric: str) -> None:
    """Plot the metric of every system with its interval, sorted by value."""
    ordered = sorted(rows.items(), key=lambda item: item[1].value)
    figure, axes = begin(7.0, 1 + 0.35 * len(rows))
    for height, (name, estimate) in enumerate(ordered):
        colour = ENSEMBLE if name in ensembles else MEMBER
        axes.plot([estimate.low, estimate.high], [height, height], color=colour, linewidth=2)
        axes.plot(estimate.value, height, "o", color=colour)
    axes.set_yticks(range(len(rows)), [name for name, _ in ordered])
    axes.grid(axis="x", alpha=0.3)
    num_samples = ordered[0][1].num_samples
    label = f"{words(metric)} on {num_samples:,} test samples"
    axes.set(xlabel=label, title="ensembles in orange")
    save(figure, path)


def cost(path: Path, rows: Sequence[Priced], ensembles: Collection[str], metric: str) -> None:
    """Plot every system against its multiply-adds; the line is the Pareto frontier."""
    figure, axes = begin(7.0, 4.5)
    front = [row for row in rows if row.on_frontier]
    axes.plot(
        [row.cost.multiply_adds for row in front], [row.figure.value for row in front],
        color="grey", linewidth=1,
    )  # fmt: skip
    for row in rows:
        colour = ENSEMBLE if row.system in ensembles else MEMBER
        work, own = row.cost.multiply_adds, row.figure
        axes.plot([work] * 2, [own.low, own.high], color=colour, linewidth=1, alpha=0.5)
        axes.plot(work, own.value, "o", color=colour)
    for place in dict.fromkeys((row.cost.multiply_adds, row.figure.value) for row in front):
        here = [r.system for r in front if (r.cost.multiply_adds, r.figure.value) == place]
        axes.annotate(", ".join(here), place, (4, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="multiply-adds for one image", ylabel=words(metric), xscale="log")
    axes.set_title("ensembles in orange")
    axes.grid(alpha=0.3)
    save(figure, path)


def sizes(path: Path, rows: Sequence[Size], metric: str) -> None:
    """Plot the mean of the first members, in order of usefulness, with its interval."""
    figure, axes = begin(6.0, 4.0)
    nums = [row.num_members for row in rows]
    low, high = ([getattr(row.figure, end) for row in rows] for end in ("low", "high"))
    axes.fill_between(nums, low, high, color=ENSEMBLE, alpha=0.2, linewidth=0)
    axes.plot(nums, [row.figure.value for row in rows], "o-", color=ENSEMBLE)
    axes.set(xlabel="members", ylabel=words(metric), xticks=nums)
    axes.grid(alpha=0.3)
    save(figure, path)


def diversity(path: Path, pairs: Sequence[Diversity]) -> None:
    """Plot the disagreement of every pair of members."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair[:2]))
    share = np.full((len(names), len(names)), np.nan)
    for pair in pairs:
        i, j = names.index(pair.first), names.index(pair.second)
        share[i, j] = share[j, i] = pair.figures["disagreement"].value
    size = 2 + 0.5 * min(len(names), MOST_CELLS)
    figure, axes = begin(size + 0.8, size)
    figure.colorbar(axes.imshow(share, cmap="Blues", vmin=0), shrink=0.8)
    name_both(axes, names)
    axes.set_title("disagreement")
    save(figure, path)
