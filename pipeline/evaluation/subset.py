"""A metric of a subset, expressed as a metric of all samples, so that a bootstrap draws both."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from pipeline.evaluation.metrics import Metric

Table = Float[np.ndarray, "n s"]
"""The statistics of a metric, see `Metric.statistics`."""
OfSums = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A function of sums of statistics and of numbers of samples, as those of a metric are."""


def parted(table: Table, inside: Bool[np.ndarray, " n"]) -> Float[np.ndarray, "n t"]:
    """Return the statistics of the samples inside and ones, then of the rest; zeros elsewhere."""
    counted = np.hstack([table, np.ones((len(table), 1))])
    return np.hstack([counted * inside[:, None], counted * ~inside[:, None]])


def part_and_rest(metric: Metric, parts: Table) -> tuple[Metric, Metric]:
    """Return two metrics: that of the samples inside, and that of the rest.

    Args:
        parts: the return value of `parted`.
    """
    return _of_half(metric, parts, 0), _of_half(metric, parts, 1)


def gap(metric: Metric, parts: Table) -> Metric:
    """Return the metric of the samples inside minus that of the rest."""
    inside, rest = (own.value for own in part_and_rest(metric, parts))
    return Metric(lambda *_: parts, lambda *sums: inside(*sums) - rest(*sums), False)


def _of_half(metric: Metric, parts: Table, half: int) -> Metric:
    def of_half(made: OfSums) -> OfSums:
        def of_sums(sums: np.ndarray, _: object) -> np.ndarray:
            own = np.split(sums, 2, axis=1)[half]
            return made(own[:, :-1], own[:, -1])

        return of_sums

    return Metric(
        lambda *_: parts,
        of_half(metric.value),
        metric.higher_is_better,
        metric.interval,
        share_of=of_half(metric.share_of or _num),
        deciding=lambda table: metric.deciding(np.split(table, 2, axis=1)[half][:, :-1]),
        floor=of_half(metric.floor) if metric.floor else None,
    )


def _num(sums: np.ndarray, num_samples: np.ndarray) -> np.ndarray:  # noqa: ARG001
    return num_samples
