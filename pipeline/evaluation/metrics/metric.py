"""The definition of a metric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Num

from pipeline.evaluation.outputs import SystemOutput

Table = Float[np.ndarray, "n s"]
Sums = Float[np.ndarray, "b s"]
Counts = Num[np.ndarray, " b"]
Figures = Float[np.ndarray, " b"]


Interval = Literal["percentiles", "share", "agreement", "log", "none"]
"""How the interval of a metric is found: from the percentiles of the draws; for a proportion, or a
mean from 0 to 1; for an agreement from -1 to 1; for a mean of losses, on the logarithmic scale; or
none, where none covers."""


PSEUDO = 0.25
"""Added successes, and failures: more would make means over many classes too unsure, see the tests
of intervals."""


def _first(table: Table) -> Float[np.ndarray, "n 1"]:
    return table[:, :1]


@dataclass(frozen=True)
class Metric:
    """A metric as a function of sums over samples."""

    statistics: Callable[[SystemOutput, np.ndarray], Table]
    """Computes s numbers for each sample from outputs and targets. Metrics that share this function
    are computed together."""
    value: Callable[[Sums, Counts], Figures]
    """Computes the metric from the sums over b sets of samples and the number of samples in each.
    NaN where a set leaves the metric undefined."""
    higher_is_better: bool
    interval: Interval = "percentiles"
    share_of: Callable[[Sums, Counts], Counts] | None = None
    """The number of samples in the denominator, where those are not all."""
    num_rarer: Callable[[Sums, Counts], Counts] | None = None
    """The number of samples that a value of 1 rests on, where that is not `share_of`."""
    floor: Callable[[Sums, Counts], Figures] | None = None
    """The variance that draws lack, where the metric is a mean over classes, see `lacking`."""
    deciding: Callable[[np.ndarray], np.ndarray] = _first
    """For a logarithmic interval: from the statistics, those whose mean the metric is, or the root
    of; their effective number tells how sure it is."""
    takes_weights: bool = True
    """Whether samples may differ in weight, with which the statistics are then multiplied."""

    @property
    def is_ratio(self) -> bool:
        """Whether the metric is a ratio of sums, or a mean of ratios, over some of the samples."""
        return self.share_of is not None or self.floor is not None


def ratio(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Divide; NaN where the denominator is 0."""
    made = np.full(np.broadcast_shapes(parts.shape, wholes.shape), np.nan)
    np.divide(parts, wholes, out=made, where=wholes != 0)
    return made


def mean(sums: Sums, num_samples: Counts) -> Figures:
    """Compute the mean of the only statistic."""
    return ratio(sums[:, 0], num_samples)


def mean_within_1(sums: Sums, num_samples: Counts) -> Figures:
    """Compute the same, clipped to 0..1, for the linear form of a metric that never leaves it."""
    return mean(sums, num_samples).clip(0, 1)


def lacking(shares: Float[np.ndarray, "b k"], counts: Float[np.ndarray, "b k"]) -> Figures:
    """Return the variance of a mean over k proportions that draws of the samples lack.

    All samples of a rare class often agree by chance, and then every draw of them does. With PSEUDO
    successes and failures more, each proportion varies.

    Args:
        counts: the number of samples of each proportion; one without samples does not count.
    """
    more = lacking_each(shares, counts)
    return ratio(more.sum(axis=1), (counts > 0).sum(axis=1) ** 2.0)


def lacking_each(
    shares: Float[np.ndarray, "*b k"], counts: Float[np.ndarray, "*b k"]
) -> Float[np.ndarray, "*b k"]:
    """Return the same for each proportion on its own."""
    total = counts + 2 * PSEUDO
    likely = (shares * counts + PSEUDO) / total
    found = ratio(shares * (1 - shares), counts)
    more = np.where(counts > 0, likely * (1 - likely) / total - found, 0.0)
    return np.asarray(more.clip(min=0))
