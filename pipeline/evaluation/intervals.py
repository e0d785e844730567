"""Bootstrap intervals for every system, and for quantities computed from several, on shared draws.

B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993: percentile intervals
(chapter 13) over resampled test samples; a quantity that combines several systems is computed
within each draw (paired). Proportions near 0 or 1 and means that few samples decide, where
percentiles are too narrow, take the variance alone from the draws, see limits.py. Where samples
come in groups, whole groups are drawn: A. Davison and D. Hinkley, Bootstrap Methods and their
Application, 1997, section 3.8.
"""

from collections.abc import Callable
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from pipeline.evaluation import limits
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.metrics.metric import PSEUDO, Interval, lacking_each, ratio
from pipeline.evaluation.outputs import SystemOutput

ROUNDING = 1e-12
"""A variance below this, relative to the largest possible one, is that of equal draws."""
BLOCK = 128
"""Draws multiplied at once; meanwhile their counts take eight times the memory."""


Figures = Float[np.ndarray, " d"]
"""A figure over all samples, followed by its value in each draw."""
SumsOf = dict[Callable[..., Any], Float[np.ndarray, "d s"]]
"""Sums of statistics, by the function that computes the statistics."""


class Estimate(NamedTuple):
    """A figure with its interval and the number of samples behind it."""

    value: float
    low: float
    """NaN, as `high`, where no interval can be had that covers as often as it should."""
    high: float
    num_samples: int

    @property
    def has_interval(self) -> bool:
        return not isnan(self.low)

    def __str__(self) -> str:
        """Format with four decimals: `0.9410 [0.9321, 0.9488]`."""
        ends = f" [{self.low:.4f}, {self.high:.4f}]" if self.has_interval else ""
        return f"{self.value:.4f}{ends}"

    def as_json(self) -> dict[str, float | None]:
        """Return the fields by name, with null for NaN, which JSON does not know."""
        return {name: None if isnan(own) else own for name, own in self._asdict().items()}


class Measurement(NamedTuple):
    """The figures of one metric, and what its interval rests on."""

    figures: Figures
    interval: Interval
    num_samples: int
    num_alike: float
    """The number of independent samples that a proportion of 1 rests on."""
    floor: float
    """Variance that the draws lack, since classes of few samples happen to agree."""
    num_effective: float
    """The effective number of values that decide a mean."""


def draws(num_groups: int, num_draws: int, seed: int) -> UInt8[np.ndarray, "b g"]:
    """Return how often each draw contains each group; every row sums to `num_groups`."""
    generator = np.random.default_rng(seed)
    counts = np.empty((num_draws, num_groups), np.uint8)  # above 255 once in 10^500 draws
    for row in counts:
        row[:] = np.bincount(generator.integers(num_groups, size=num_groups), minlength=num_groups)
    return counts


class Bootstrap:
    """The bootstrap that measures all systems on the same draws of the same test samples.

    Arithmetic on figures, such as the difference of two systems, gives figures again;
    `percentiles` turns them into a value with its interval.
    """

    def __init__(
        self,
        groups: Int[np.ndarray, " n"],
        weights: Float[np.ndarray, " n"],
        num_draws: int,
        confidence: float,
        seed: int,
    ) -> None:
        """Draw the samples.

        Args:
            groups: a group number for each sample; samples of one group are drawn together.
            weights: how much each sample counts; the mean is 1.
        """
        self._order = np.argsort(groups, kind="stable")
        _, self._starts, sizes = np.unique(
            groups[self._order], return_index=True, return_counts=True
        )
        self._weights, self._is_even = weights, bool((weights == 1).all())
        drawn = draws(len(sizes), num_draws, seed)
        self._counts = np.vstack([np.ones((1, len(sizes)), np.uint8), drawn])
        of_groups = self._by_group(weights[:, None])[:, 0]
        self._num_samples = self._counts @ of_groups
        self._num_independent = _effective(of_groups)  # large groups make it fewer
        self._confidence = confidence
        self._tails = limits.percentiles(len(sizes), confidence)
        self._far = limits.normal_or_t(len(sizes), len(groups), confidence)

    def measure(
        self, metrics: dict[str, Metric], outputs: SystemOutput, targets: np.ndarray
    ) -> dict[str, Measurement]:
        """Measure one system by every metric that the samples define.

        Metrics that no weight enters are left out where samples differ in weight.
        """
        usable = {n: m for n, m in metrics.items() if m.takes_weights or self._is_even}
        making = dict.fromkeys(metric.statistics for metric in usable.values())
        tables = [self._weights[:, None] * make(outputs, targets) for make in making]
        if not tables:
            return {}
        grouped = [self._by_group(table) for table in tables]
        ends = np.cumsum([table.shape[1] for table in tables])
        parts = np.split(self._counted(np.hstack(grouped)), ends[:-1], axis=1)
        own = dict(zip(making, zip(tables, grouped, parts, strict=True), strict=True))
        made = {name: self._measured(m, *own[m.statistics]) for name, m in usable.items()}
        return {name: one for name, one in made.items() if np.isfinite(one.figures[0])}

    def estimate(self, measured: Measurement) -> Estimate:
        """Return the value with its interval, ignoring draws that leave it undefined."""
        figures, value = measured.figures, float(measured.figures[0])
        if measured.interval == "percentiles":
            return self.percentiles(figures)
        if measured.interval == "share":
            low, high = self._share(measured)
        elif measured.interval == "agreement":
            low, high = self._agreement(measured)
        elif measured.interval == "log":
            error = float(np.nanstd(figures[1:]))
            low, high = limits.log_t(value, error, measured.num_effective, self._confidence)
        else:
            low = high = np.nan
        return Estimate(value, low, high, measured.num_samples)

    def estimates(
        self, metrics: dict[str, Metric], outputs: SystemOutput, targets: np.ndarray
    ) -> dict[str, Estimate]:
        """Estimate every metric of one system that the samples define."""
        made = self.measure(metrics, outputs, targets)
        return {name: self.estimate(measured) for name, measured in made.items()}

    def percentiles(self, figures: Figures) -> Estimate:
        """Return the value of any figures with the interval of their percentiles."""
        low, high = np.nanquantile(figures[1:], self._tails).tolist()
        return Estimate(float(figures[0]), low, high, len(self._order))

    def difference(self, first: Measurement, second: Measurement) -> Estimate:
        """Return the first minus the second with its interval."""
        figures = first.figures - second.figures
        if first.interval != "share":
            return self.percentiles(figures)
        value, variance = float(figures[0]), float(np.nanvar(figures[1:]))
        low, high = limits.paired_difference(value, variance, len(self._starts), self._far)
        return Estimate(value, low, high, len(self._order))

    def _measured(
        self,
        metric: Metric,
        table: Float[np.ndarray, "n s"],
        grouped: Float[np.ndarray, "g s"],
        sums: Float[np.ndarray, "d s"],
    ) -> Measurement:
        """Compute the figures of a metric from its weighted statistics.

        Args:
            table: those of each sample; `grouped` and `sums` those of each group and each draw.
        """
        whole = sums[:1], self._num_samples[:1]
        of = float(metric.share_of(*whole)[0]) if metric.share_of else len(self._order)
        rarer = float(metric.num_rarer(*whole)[0]) if metric.num_rarer else 0
        return Measurement(
            metric.value(sums, self._num_samples),
            metric.interval,
            round(of) if np.isfinite(of) else 0,
            (rarer or of) * self._num_independent / len(self._order),
            self._floor(metric, sums[:1], table),
            min(_effective(own) for own in metric.deciding(grouped).T),
        )

    def _floor(
        self, metric: Metric, sums: Float[np.ndarray, "1 s"], table: Float[np.ndarray, "n s"]
    ) -> float:
        """Return the variance that draws lack, where each group counts as one sample."""
        share = self._num_independent / len(self._order)
        if metric.floor is None:
            is_mean = metric.interval == "share" and metric.share_of is None
            return 0.0 if self._is_even or not is_mean else self._floor_of_weights(table[:, 0])
        return float(metric.floor(share * sums, share * self._num_samples[:1])[0])

    def _floor_of_weights(self, weighted: Float[np.ndarray, " n"]) -> float:
        """Return the variance that draws lack, as few samples of one weight happen to agree."""
        different, of_weight = np.unique(self._weights, return_inverse=True)
        counts = np.bincount(of_weight).astype(float)
        hits = ratio(np.bincount(of_weight, weighted), different)
        more = lacking_each(np.nan_to_num(hits) / counts, counts)
        return float((more * (different * counts / len(weighted)) ** 2).sum())

    def _share(self, measured: Measurement) -> tuple[float, float]:
        """Return the limits for as many independent samples as vary like the draws.

        The effective number of samples and Student's t are those of E. Korn and B. Graubard,
        Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated
        from Survey Data, 1998. Where all samples agree, each group counts once.
        """
        value, floor = float(measured.figures[0]), measured.floor
        variance = float(np.nanvar(measured.figures[1:])) + floor
        # Of one share whose samples agree, the floor is nearly PSEUDO / num².
        num = (PSEUDO / floor) ** 0.5 if floor else measured.num_alike
        if 0 < value < 1 and variance > ROUNDING * value * (1 - value):
            num = value * (1 - value) / variance
        return limits.wilson(value, num, self._far, self._confidence)

    def _agreement(self, measured: Measurement) -> tuple[float, float]:
        """Return the limits of a figure from -1 to 1, mapped to a proportion and back."""
        mapped = measured._replace(
            figures=(1 + measured.figures) / 2,
            num_alike=2 * measured.num_alike,
            floor=measured.floor / 4,
        )
        low, high = self._share(mapped)
        return 2 * low - 1, 2 * high - 1

    def _counted(self, grouped: Float[np.ndarray, "g s"]) -> Float[np.ndarray, "d s"]:
        """Return the sums over all samples, followed by those over each draw."""
        starts = range(0, len(self._counts), BLOCK)
        blocks = (self._counts[start : start + BLOCK].astype(np.float64) for start in starts)
        return np.vstack([block @ grouped for block in blocks])

    def _by_group(self, table: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "g s"]:
        if len(self._starts) == len(table):
            return table[self._order]
        grouped: np.ndarray = np.add.reduceat(table[self._order], self._starts)
        return grouped


def _effective(values: Float[np.ndarray, " g"]) -> float:
    """Return the effective number of values that decide their sum."""
    squares = float((values**2).sum())
    return float(values.sum() ** 2 / squares) if squares else 0.0
