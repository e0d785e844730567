"""Bootstrap intervals, for each system and for the difference of two, on the same draws.

B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993: percentile intervals
(chapter 13) over resampled test samples; a difference is taken within each draw (paired).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pipeline.evaluation.metrics import Metric


class Estimate(NamedTuple):
    """A figure with its interval, and the samples it rests on."""

    value: float
    low: float
    high: float
    num_samples: int


def draws(num_samples: int, num_draws: int, seed: int) -> Int[np.ndarray, "b n"]:
    """How often each sample is counted in each draw; every row adds up to `num_samples`."""
    generator = np.random.default_rng(seed)
    even = np.full(num_samples, 1 / num_samples)
    return generator.multinomial(num_samples, even, size=num_draws)


class Bootstrap:
    """All systems are measured on the same draws of the same test samples."""

    def __init__(
        self, targets: Int[np.ndarray, " n"], num_draws: int, confidence: float, seed: int
    ) -> None:
        self._targets = targets
        self._counts = draws(len(targets), num_draws, seed).astype(np.float64)
        self._tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def estimate(self, metric: Metric, log_probs: Float[np.ndarray, "n k"]) -> Estimate:
        value, drawn = self._measure(metric, log_probs)
        return self._summary(value, drawn)

    def difference(
        self,
        metric: Metric,
        log_probs: Float[np.ndarray, "n k"],
        baseline: Float[np.ndarray, "n k"],
    ) -> Estimate:
        """The first less the second; an interval without zero is a difference shown."""
        value, drawn = self._measure(metric, log_probs)
        base_value, base_drawn = self._measure(metric, baseline)
        return self._summary(value - base_value, drawn - base_drawn)

    def _measure(self, metric: Metric, log_probs: np.ndarray) -> tuple[float, np.ndarray]:
        statistics = metric.statistics(log_probs, self._targets)
        num_samples = len(self._targets)
        value = float(metric.value(statistics.sum(axis=0, keepdims=True), num_samples)[0])
        return value, metric.value(self._counts @ statistics, num_samples)

    def _summary(self, value: float, drawn: np.ndarray) -> Estimate:
        low, high = np.quantile(drawn, self._tails).tolist()
        return Estimate(value, low, high, len(self._targets))
