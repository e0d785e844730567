"""Slices: the headline metric on parts of test, each compared with all other samples.

Every column is divided into parts. Numbers with more than 10 distinct values form four bins of
equal size; otherwise each distinct value forms a part, and so do the samples without a value. A
column of more than 20 distinct values that are not numbers is left out, and so is a part of fewer
than 20 samples, or of fewer than 20 groups where samples belong together. The p-values of all parts
of all columns are corrected together (Holm), which pays for the search for a weak one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pipeline.core.artifacts import Samples
from pipeline.evaluation import limits
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.significance import holm, weaker
from pipeline.evaluation.subset import Table, gap, part_and_rest, parted

NUM_BINS, MOST_CATEGORIES, FEWEST_GROUPS = 4, 20, 20
MOST_DISCRETE = 10  # distinct numbers that still count as categories, such as the digits 0 to 9
NO_SLICES = ("id", "fold", "unit")

Parts = dict[str, Bool[np.ndarray, " n"]]
"""The samples of each part, by the part's name."""


class Slice(NamedTuple):
    """One part of the samples."""

    column: str
    part: str
    figure: Estimate
    difference: Estimate
    """The difference from all other samples."""
    p: float
    """The p-value of being no weaker than the other samples, corrected for all slices."""
    is_weak: bool


def slices(evaluator: Evaluator, outputs: SystemOutput, samples: Samples) -> list[Slice]:
    """Return all slices, the weakest first."""
    right = evaluator.table(outputs._replace(decided=evaluator.targets))
    columns = {
        name: {part: mask for part, mask in cut.items() if _is_defined(evaluator, right, mask)}
        for name, cut in columns_of(evaluator, samples).items()
    }
    places = [(column, part) for column, parts in columns.items() for part in parts]
    if not places:
        return []
    inside = [columns[column][part] for column, part in places]
    metric, table = evaluator.headline_metric, evaluator.table(outputs)
    p = holm(weaker(metric, table, np.stack(inside), evaluator.groups, evaluator.weights))
    found = [
        _slice(evaluator, table, column, part, columns[column][part], float(corrected))
        for (column, part), corrected in zip(places, p, strict=True)
    ]
    better = 1 if metric.higher_is_better else -1
    return sorted(found, key=lambda s: (s.p, better * s.difference.value, s.column, s.part))


def _slice(
    evaluator: Evaluator,
    table: Table,
    column: str,
    part: str,
    inside: Bool[np.ndarray, " n"],
    p: float,
) -> Slice:
    metric, parts = evaluator.headline_metric, parted(table, inside)
    figure, rest = part_and_rest(metric, parts)
    made = evaluator.estimates({"figure": figure, "rest": rest, "gap": gap(metric, parts)})
    own, difference = made["figure"]._replace(num_samples=int(inside.sum())), made["gap"]
    if metric.interval == "share":
        ends = limits.independent_difference(own[:3], made["rest"][:3])
        difference = Estimate(own.value - made["rest"].value, *ends, difference.num_samples)
    return Slice(column, part, own, difference, p, p < 1 - evaluator.confidence)


def _is_defined(evaluator: Evaluator, right: Table, inside: Bool[np.ndarray, " n"]) -> bool:
    """Return whether the metric speaks of some samples inside and of some outside.

    F1, say, speaks of a part without a positive sample neither where decisions are right nor
    otherwise, although some wrong ones make it 0.

    Args:
        right: the statistics of decisions that are all right.
    """
    parts = parted(right, inside)
    found = gap(evaluator.headline_metric, parts).value(evaluator.weights[None] @ parts, np.ones(1))
    return bool(np.isfinite(found).all())


def columns_of(evaluator: Evaluator, samples: Samples) -> dict[str, Parts]:
    """Return the columns that can be divided, each with its sufficiently large parts."""
    known = {name: parts(v) for name, v in samples.columns.items() if name not in NO_SLICES}
    groups = evaluator.groups
    return {
        name: {
            part: mask
            for part, mask in cut.items()
            if len(np.unique(groups[mask])) >= FEWEST_GROUPS and not mask.all()
        }
        for name, cut in (_targets(evaluator) | known).items()
    }


def parts(values: Sequence[str]) -> Parts:
    """Divide a column into its parts; return none where the column is left out."""
    column = np.array(values)
    is_empty = column == ""
    made: Parts = {}
    for part, mask in _cut(column[~is_empty]).items():
        made[part] = np.zeros(len(column), bool)
        made[part][~is_empty] = mask
    return made | {"(empty)": is_empty} if made and is_empty.any() else made


def left_out(samples: Samples) -> list[str]:
    """Return a sentence on the columns that were left out, if there are any."""
    names = [name for name in samples.columns if name not in NO_SLICES]
    uncut = [
        name for name in names if any(samples.columns[name]) and not parts(samples.columns[name])
    ]
    many = f"more than {MOST_CATEGORIES} distinct values that are not numbers"
    return [f"not sliced by {', '.join(uncut)}: {many}"] if uncut else []


def _cut(column: np.ndarray) -> Parts:
    different, numbers = np.unique(column), _numbers(column)
    if numbers is not None and len(different) > MOST_DISCRETE:
        return bins(numbers)
    if len(different) > MOST_CATEGORIES:
        return {}
    return {value: column == value for value in different.tolist()}


def bins(numbers: Float[np.ndarray, " n"]) -> Parts:
    """Divide numbers into four parts of equal size, or fewer if values repeat: `12 to 30`."""
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, NUM_BINS + 1)))
    bin_of = np.searchsorted(edges[1:-1], numbers, side="right")
    made: Parts = {}
    for place in np.unique(bin_of):
        mask = bin_of == place
        low, high = (
            np.format_float_positional(end, trim="-")
            for end in (numbers[mask].min(), numbers[mask].max())
        )
        made[f"{low} to {high}"] = mask
    return made


def _targets(evaluator: Evaluator) -> dict[str, Parts]:
    """Divide by true class, by true label, or by the size of each true value."""
    targets, names = evaluator.targets, evaluator.names
    if evaluator.kind == "classes":
        return {"true class": {name: targets == i for i, name in enumerate(names)}}
    if evaluator.kind == "labels":
        return {"true label": {name: targets[:, i] for i, name in enumerate(names)}}
    return {f"true {name}": bins(targets[:, i]) for i, name in enumerate(names)}


def _numbers(column: np.ndarray) -> Float[np.ndarray, " n"] | None:
    """Return the column as numbers; None where a value is not a finite number."""
    try:
        numbers = column.astype(float)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None
