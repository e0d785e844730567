"""The definition of a metric."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from pipeline.evaluation.outputs import SystemOutput

Table = Float[np.ndarray, "n s"]
Sums = Float[np.ndarray, "b s"]
Counts = Num[np.ndarray, " b"]
Figures = Float[np.ndarray, " b"]


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
    share_of: Callable[[Sums, Counts], Counts] | None = None
    """The number of samples in the denominator, where the metric is a proportion of samples."""
    num_rarer: Callable[[Sums, Counts], Counts] | None = None
    """The number of samples that a value of 1 rests on, where that is not `share_of`."""


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


def all_samples(sums: Sums, num_samples: Counts) -> Counts:  # noqa: ARG001
    """Return the denominator of most proportions: the number of all samples."""
    return num_samples
