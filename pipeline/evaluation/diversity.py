"""Diversity: how differently each pair of members errs, which is what an ensemble gains from.

L. Kuncheva and C. Whitaker, Measures of Diversity in Classifier Ensembles and Their Relationship
with the Ensemble Accuracy, Machine Learning 2003, section 3.1: disagreement, correlation and
Yule's Q of being right. For labels they are computed over all pairs of sample and label. For values
the figures are the correlation of the errors and the root mean square difference between two
members' predictions, in standard deviations over train, both averaged over the values.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.metrics.metric import ratio
from pipeline.evaluation.outputs import SystemOutput

Parts = Float[np.ndarray, "b s"]
Figure = Callable[[Parts], Float[np.ndarray, " b"]]
"""Computes a figure from means over samples."""


class Diversity(NamedTuple):
    """The diversity of two members."""

    first: str
    second: str
    figures: dict[str, Estimate]
    """disagreement: 0 where they always agree. error_correlation: 1 where they err alike. q, for
    classes and labels: 1 where the better member is right wherever the worse one is. A figure that
    is undefined is left out, such as the correlation with a member that makes no error."""


def diversity(
    evaluator: Evaluator, members: dict[str, SystemOutput], std: tuple[float, ...]
) -> list[Diversity]:
    """Return the diversity of each pair of members once.

    Args:
        std: the standard deviation of each value over train; empty for classes and labels.
    """
    figures: dict[str, Figure]
    if evaluator.kind == "values":
        figures = {"disagreement": _distance, "error_correlation": _residual_correlation}
    else:
        figures = {"disagreement": _differing, "error_correlation": _correlation, "q": _q}
    return [
        pair
        for place, first in enumerate(members)
        for pair in _of_one(evaluator, members, first, [*members][place + 1 :], figures, std)
    ]


def _of_one(
    evaluator: Evaluator,
    members: dict[str, SystemOutput],
    first: str,
    others: Sequence[str],
    figures: dict[str, Figure],
    std: tuple[float, ...],
) -> list[Diversity]:
    """Compute all pairs of one member at once: a bootstrap is faster on many figures together."""
    metrics: dict[str, Metric] = {}
    for second in others:
        decided = members[first].decided, members[second].decided
        given = partial(_given, _table(evaluator, *decided, np.array(std)))
        metrics |= {f"{name} {second}": _metric(given, figure) for name, figure in figures.items()}
    made = evaluator.estimates(metrics) if metrics else {}
    return [
        Diversity(
            first,
            second,
            {name: made[key] for name in figures if (key := f"{name} {second}") in made},
        )
        for second in others
    ]


def _table(evaluator: Evaluator, first: np.ndarray, second: np.ndarray, std: np.ndarray) -> Parts:
    targets = evaluator.targets
    if evaluator.kind == "values":
        e, f = (first - targets) / std, (second - targets) / std
        return np.hstack([e, f, e * e, f * f, e * f])
    cells = np.stack([
        (first != targets) & (second != targets), first != targets, second != targets,
        first != second,
    ], axis=1)  # fmt: skip
    return cells.astype(float) if cells.ndim == 2 else cells.mean(axis=2)


def _given(table: Parts, *_: object) -> Parts:
    return table


def _metric(given: Callable[..., Parts], figure: Figure) -> Metric:
    return Metric(
        given,
        lambda sums, num: figure(ratio(sums, num[:, None])),
        higher_is_better=False,
        interval="share" if figure is _differing else "percentiles",
    )


def _differing(means: Parts) -> Float[np.ndarray, " b"]:
    return means[:, 3]


def _correlation(means: Parts) -> Float[np.ndarray, " b"]:
    both, first, second = means.T[:3]
    spread = first * (1 - first) * second * (1 - second)
    return ratio(both - first * second, np.sqrt(np.maximum(spread, 0)))


def _q(means: Parts) -> Float[np.ndarray, " b"]:
    both, first, second = means.T[:3]
    none = 1 - first - second + both
    alike, apart = both * none, (first - both) * (second - both)
    return ratio(alike - apart, alike + apart)


def _distance(means: Parts) -> Float[np.ndarray, " b"]:
    _, _, ee, ff, ef = np.split(means, 5, axis=1)
    distance: np.ndarray = np.sqrt(np.maximum(ee + ff - 2 * ef, 0)).mean(axis=1)
    return distance


def _residual_correlation(means: Parts) -> Float[np.ndarray, " b"]:
    e, f, ee, ff, ef = np.split(means, 5, axis=1)
    spread = np.sqrt(np.maximum(ee - e * e, 0) * np.maximum(ff - f * f, 0))
    correlation: np.ndarray = ratio(ef - e * f, spread).mean(axis=1)
    return correlation
