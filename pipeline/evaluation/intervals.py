"""Bootstrap intervals for every system, and for quantities computed from several, on shared draws.

B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993: percentile intervals
(chapter 13) over resampled test samples; a quantity that combines several systems is computed
within each draw (paired). Proportions near 0 or 1, where percentiles are too narrow, take the
variance alone from the draws. Where samples come in groups, whole groups are drawn: A. Davison and
D. Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.stats import norm, t

from pipeline.evaluation.metrics import Metric
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
    high: float
    num_samples: int


def draws(num_groups: int, num_draws: int, seed: int) -> UInt8[np.ndarray, "b g"]:
    """Return how often each draw contains each group; every row sums to `num_groups`."""
    generator = np.random.default_rng(seed)
    counts = np.empty((num_draws, num_groups), np.uint8)  # above 255 once in 10^500 draws
    for row in counts:
        row[:] = np.bincount(generator.integers(num_groups, size=num_groups), minlength=num_groups)
    return counts


class Bootstrap:
    """The bootstrap that measures all systems on the same draws of the same test samples.

    Arithmetic on figures, such as the difference of two systems, gives figures again; `estimate`
    turns them into a value with its interval.
    """

    def __init__(
        self, groups: Int[np.ndarray, " n"], num_draws: int, confidence: float, seed: int
    ) -> None:
        """`groups`: a group number for each sample; samples of one group are drawn together."""
        self._order = np.argsort(groups, kind="stable")
        _, self._starts, sizes = np.unique(
            groups[self._order], return_index=True, return_counts=True
        )
        drawn = draws(len(sizes), num_draws, seed)
        self._counts = np.vstack([np.ones((1, len(sizes)), np.uint8), drawn])
        self._num_samples = self._counts @ sizes
        self._tails = _tails(len(sizes), confidence)
        self._far = _quantile(len(sizes), len(groups), confidence)

    def measure(
        self, metrics: dict[str, Metric], outputs: SystemOutput, targets: np.ndarray
    ) -> dict[str, Figures]:
        """Compute the figures of one system, without metrics that the samples leave undefined."""
        return self._figures(metrics, self._sums(metrics, outputs, targets))

    def estimate(
        self, figures: Figures, share_of: int | None = None, num_rarer: int | None = None
    ) -> Estimate:
        """Return the value with its interval, ignoring draws that leave it undefined.

        Args:
            share_of: the number of samples that the figure is a proportion of, or a mean from 0 to
                1; the interval is then Wilson's. None where it is neither; the interval is then
                that of the percentiles.
            num_rarer: the number of samples that a share of 1 rests on, where that is not all.
        """
        if share_of:
            return self._share(figures, share_of, num_rarer or share_of)
        low, high = np.nanquantile(figures[1:], self._tails).tolist()
        return Estimate(float(figures[0]), low, high, len(self._order))

    def difference(self, first: Figures, second: Figures, *, of_shares: bool) -> Estimate:
        """Return the first minus the second with its interval.

        Args:
            of_shares: both are proportions. Percentiles know nothing of the samples on which the
                two systems would differ and by chance did not: the interval is then that of
                D. Bonett and R. Price, Adjusted Wald Intervals for a Difference of Binomial
                Proportions Based on Paired Data, 2012, with the variance of the draws.
        """
        if not of_shares:
            return self.estimate(first - second)
        num = len(self._starts)
        value = float(first[0] - second[0])
        variance = float(np.nanvar(first[1:] - second[1:])) + 2 / num**2
        middle, reach = value * num / (num + 2), self._far * variance**0.5
        low, high = max(-1.0, middle - reach), min(1.0, middle + reach)
        return Estimate(value, min(low, value), max(high, value), len(self._order))

    def _share(self, figures: Figures, share_of: int, num_alike: int) -> Estimate:
        """Return Wilson's interval for the number of independent samples that vary as the draws do.

        E. Wilson, Probable Inference, 1927; with the effective number of samples and Student's t of
        E. Korn and B. Graubard, Confidence Intervals for Proportions with Small Expected Number of
        Positive Counts Estimated from Survey Data, 1998. Where all samples agree, each group
        counts once.
        """
        value, variance = float(figures[0]), float(np.nanvar(figures[1:]))
        num = num_alike * len(self._starts) / len(self._order)
        if 0 < value < 1 and variance > ROUNDING * value * (1 - value):
            num = value * (1 - value) / variance
        far = self._far**2 / num
        middle = (value + far / 2) / (1 + far)
        reach = (far * (value * (1 - value) + far / 4)) ** 0.5 / (1 + far)
        low, high = max(0.0, middle - reach), min(1.0, middle + reach)
        return Estimate(value, min(low, value), max(high, value), share_of)

    def estimates(
        self, metrics: dict[str, Metric], outputs: SystemOutput, targets: np.ndarray
    ) -> dict[str, Estimate]:
        """Estimate every metric of one system that the samples define."""
        sums = self._sums(metrics, outputs, targets)
        return {
            name: self.estimate(
                figures,
                self._counted_by(metrics[name].share_of, metrics[name], sums),
                self._counted_by(metrics[name].num_rarer, metrics[name], sums),
            )
            for name, figures in self._figures(metrics, sums).items()
        }

    def differences(
        self,
        metrics: dict[str, Metric],
        outputs: SystemOutput,
        baseline: SystemOutput,
        targets: np.ndarray,
    ) -> dict[str, Estimate]:
        """Estimate the first system minus the second; an interval without 0 shows a difference."""
        first, second = (self.measure(metrics, a, targets) for a in (outputs, baseline))
        return {
            name: self.difference(
                first[name], second[name], of_shares=metrics[name].share_of is not None
            )
            for name in first
            if name in second
        }

    def _figures(self, metrics: dict[str, Metric], sums: SumsOf) -> dict[str, Figures]:
        figures = {
            name: metric.value(sums[metric.statistics], self._num_samples)
            for name, metric in metrics.items()
        }
        return {name: drawn for name, drawn in figures.items() if np.isfinite(drawn[0])}

    def _counted_by(self, count: Any, metric: Metric, sums: SumsOf) -> int | None:
        if count is None:
            return None
        return int(count(sums[metric.statistics][:1], self._num_samples[:1])[0])

    def _sums(
        self, metrics: dict[str, Metric], outputs: SystemOutput, targets: np.ndarray
    ) -> SumsOf:
        making = dict.fromkeys(metric.statistics for metric in metrics.values())
        tables = [make(outputs, targets) for make in making]
        ends = np.cumsum([table.shape[1] for table in tables])
        parts = np.split(self._counted(np.hstack(tables)), ends[:-1], axis=1)
        return dict(zip(making, parts, strict=True))

    def _counted(self, table: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "d s"]:
        """Return the sums over all samples, followed by those over each draw."""
        grouped = self._by_group(table)
        starts = range(0, len(self._counts), BLOCK)
        blocks = (self._counts[start : start + BLOCK].astype(np.float64) for start in starts)
        return np.vstack([block @ grouped for block in blocks])

    def _by_group(self, table: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "g s"]:
        if len(self._starts) == len(table):
            return table
        grouped: np.ndarray = np.add.reduceat(table[self._order], self._starts)
        return grouped


def _quantile(num_groups: int, num_samples: int, confidence: float) -> float:
    """Return the quantile of proportions: normal, or Student's t where samples come in groups."""
    if num_groups == num_samples:
        return float(norm.ppf((1 + confidence) / 2))
    return float(t.ppf((1 + confidence) / 2, max(num_groups - 1, 1)))


def _tails(num_groups: int, confidence: float) -> list[float]:
    """Return the quantiles of an expanded percentile interval.

    It compensates for the draws of few groups being too much alike: T. Hesterberg, What Teachers
    Should Know About the Bootstrap, 2015.
    """
    num = max(num_groups, 2)
    far = t.ppf((1 + confidence) / 2, num - 1) * np.sqrt(num / (num - 1))
    return [float(norm.cdf(-far)), float(norm.cdf(far))]
