"""Where a system is weak: its headline metric on parts of test, each against all other samples.

Columns are cut into parts. Numbers of which there are more than 10 different ones go to four bins
of equal size; of all else each value makes a part, and so does what is left empty. A column of more
than 20 values that are no numbers is left out, and so are parts of fewer than 20 samples, or groups
of samples that belong together. The p-values of all parts of all columns are corrected together
(Holm), so that the search for a weak one costs what it should.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pipeline.artifacts import Samples
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.significance import holm, weaker
from pipeline.evaluation.subset import Table, part_and_gap, parted
from pipeline.evaluation.yardstick import Yardstick

NUM_BINS, MOST_CATEGORIES, FEWEST_GROUPS = 4, 20, 20
MOST_DISCRETE = 10  # numbers, such as 0 to 9 for digits, that are categories
NO_SLICES = ("id", "fold")

Parts = dict[str, Bool[np.ndarray, " n"]]
"""By name, which samples are in it."""


class Slice(NamedTuple):
    """One part of the samples."""

    column: str
    part: str
    figure: Estimate
    difference: Estimate
    """From all other samples."""
    p: float
    """Of being no weaker than they are, corrected for all slices."""
    is_weak: bool


def slices(yardstick: Yardstick, answers: Answers, samples: Samples) -> list[Slice]:
    """The weakest first."""
    columns = columns_of(yardstick, samples)
    places = [(column, part) for column, parts in columns.items() for part in parts]
    if not places:
        return []
    inside = [columns[column][part] for column, part in places]
    metric, table = yardstick.headline_metric, yardstick.table(answers)
    p = holm(weaker(metric, table, np.stack(inside), yardstick.groups))
    found = [
        _slice(yardstick, table, column, part, columns[column][part], float(corrected))
        for (column, part), corrected in zip(places, p, strict=True)
    ]
    better = 1 if metric.higher_is_better else -1
    return sorted(found, key=lambda s: (s.p, better * s.difference.value, s.column, s.part))


def _slice(
    yardstick: Yardstick,
    table: Table,
    column: str,
    part: str,
    inside: Bool[np.ndarray, " n"],
    p: float,
) -> Slice:
    figure, gap = part_and_gap(yardstick.headline_metric, parted(table, inside))
    made = yardstick.estimates({"figure": figure, "gap": gap})
    own = made["figure"]._replace(num_samples=int(inside.sum()))
    return Slice(column, part, own, made["gap"], p, p < 1 - yardstick.confidence)


def columns_of(yardstick: Yardstick, samples: Samples) -> dict[str, Parts]:
    """All columns that can be cut, each with its parts of enough samples."""
    known = {name: parts(v) for name, v in samples.columns.items() if name not in NO_SLICES}
    groups = yardstick.groups
    return {
        name: {
            part: mask
            for part, mask in cut.items()
            if len(np.unique(groups[mask])) >= FEWEST_GROUPS and not mask.all()
        }
        for name, cut in (_targets(yardstick) | known).items()
    }


def parts(values: Sequence[str]) -> Parts:
    """The parts that a column is cut into; none where it is left out."""
    column = np.array(values)
    is_empty = column == ""
    made: Parts = {}
    for part, mask in _cut(column[~is_empty]).items():
        made[part] = np.zeros(len(column), bool)
        made[part][~is_empty] = mask
    return made | {"(empty)": is_empty} if made and is_empty.any() else made


def left_out(samples: Samples) -> list[str]:
    """A sentence on the columns that are not cut, if there are any."""
    names = [name for name in samples.columns if name not in NO_SLICES]
    uncut = [
        name for name in names if any(samples.columns[name]) and not parts(samples.columns[name])
    ]
    many = f"more than {MOST_CATEGORIES} different values that are no numbers"
    return [f"not sliced by {', '.join(uncut)}: {many}"] if uncut else []


def _cut(column: np.ndarray) -> Parts:
    different, numbers = np.unique(column), _numbers(column)
    if numbers is not None and len(different) > MOST_DISCRETE:
        return bins(numbers)
    if len(different) > MOST_CATEGORIES:
        return {}
    return {value: column == value for value in different.tolist()}


def bins(numbers: Float[np.ndarray, " n"]) -> Parts:
    """Four parts of equal size, or fewer where values repeat: `12 to 30`."""
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


def _targets(yardstick: Yardstick) -> dict[str, Parts]:
    """By class, by label, or by the size of each value."""
    targets, names = yardstick.targets, yardstick.names
    if yardstick.kind == "classes":
        return {"true class": {name: targets == i for i, name in enumerate(names)}}
    if yardstick.kind == "labels":
        return {"true label": {name: targets[:, i] for i, name in enumerate(names)}}
    return {f"true {name}": bins(targets[:, i]) for i, name in enumerate(names)}


def _numbers(column: np.ndarray) -> Float[np.ndarray, " n"] | None:
    """None where a value is no finite number."""
    try:
        numbers = column.astype(float)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None
