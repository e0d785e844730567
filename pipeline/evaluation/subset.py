"""A metric of a subset, expressed as a metric of all samples, so that a bootstrap draws both."""

import numpy as np
from jaxtyping import Bool, Float

from pipeline.evaluation.metrics import Metric

Table = Float[np.ndarray, "n s"]
"""The statistics of a metric, see `Metric.statistics`."""


def parted(table: Table, inside: Bool[np.ndarray, " n"]) -> Float[np.ndarray, "n t"]:
    """Return ones and the statistics of the samples inside, then of the rest; zeros elsewhere."""
    counted = np.hstack([np.ones((len(table), 1)), table])
    return np.hstack([counted * inside[:, None], counted * ~inside[:, None]])


def part_and_gap(metric: Metric, parts: Table) -> tuple[Metric, Metric]:
    """Return two metrics: that of the samples inside, and that minus the metric of the rest.

    Args:
        parts: the return value of `parted`.
    """

    def given(*_: object) -> Table:
        return parts

    def part(sums: Float[np.ndarray, "b s"], _: object) -> Float[np.ndarray, " b"]:
        inside, _rest = np.split(sums, 2, axis=1)
        return metric.value(inside[:, 1:], inside[:, 0])

    def gap(sums: Float[np.ndarray, "b s"], _: object) -> Float[np.ndarray, " b"]:
        inside, rest = (metric.value(s[:, 1:], s[:, 0]) for s in np.split(sums, 2, axis=1))
        less: np.ndarray = inside - rest
        return less

    better = metric.higher_is_better
    is_share = metric.interval == "share"
    own = Metric(given, part, better, "share" if is_share else "percentiles", num_inside)
    return own, Metric(given, gap, better)


def num_inside(sums: Float[np.ndarray, "b s"], _: object) -> Float[np.ndarray, " b"]:
    """Return how many samples of each set lie inside, from the sums of `parted`."""
    num: np.ndarray = sums[:, 0]
    return num
