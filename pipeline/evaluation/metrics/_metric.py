"""What a metric is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from pipeline.evaluation.answers import Answers

Table = Float[np.ndarray, "n s"]
Sums = Float[np.ndarray, "b s"]
Counts = Num[np.ndarray, " b"]
Figures = Float[np.ndarray, " b"]


@dataclass(frozen=True)
class Metric:
    """A function of sums over samples."""

    statistics: Callable[[Answers, np.ndarray], Table]
    """From answers and targets: s numbers a sample. Metrics that share it are measured at once."""
    value: Callable[[Sums, Counts], Figures]
    """From the sums of b sets of samples, and how many samples each has. Not a number where a set
    of samples does not define the metric."""
    higher_is_better: bool
    share_of: Callable[[Sums, Counts], Counts] | None = None
    """Where the metric is a share of samples: of how many."""


def ratio(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Not a number where the whole is 0."""
    made = np.full(np.broadcast_shapes(parts.shape, wholes.shape), np.nan)
    np.divide(parts, wholes, out=made, where=wholes != 0)
    return made


def mean(sums: Sums, num_samples: Counts) -> Figures:
    """Of the only statistic."""
    return ratio(sums[:, 0], num_samples)


def mean_within_1(sums: Sums, num_samples: Counts) -> Figures:
    """The same of what is linear in place of a metric that never leaves 0 to 1."""
    return mean(sums, num_samples).clip(0, 1)


def all_samples(sums: Sums, num_samples: Counts) -> Counts:  # noqa: ARG001
    """What most shares are of."""
    return num_samples
