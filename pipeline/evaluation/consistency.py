"""Test a calibration error against what perfect calibration would show, and take its bias off.

Few samples bias the error upwards: even where every probability is right, bins deviate by chance.
So the error is compared with its distribution when targets are drawn from the probabilities
themselves (consistency resampling: J. Bröcker and L. Smith, Increasing the Reliability of
Reliability Diagrams, 2007).
"""

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.metrics.calibration import bins

NUM_DRAWS, SEED = 1000, 0


class Consistency(NamedTuple):
    """A calibration error beside that of perfect calibration."""

    expected: float
    """The mean error of a perfectly calibrated system with these probabilities."""
    debiased: float
    """An estimate of the error without its bias; 0 at least."""
    p: float
    """The p-value of perfect calibration."""


def consistency(
    probs: Float[np.ndarray, "n k"],
    is_so: Bool[np.ndarray, "n k"],
    units: Int[np.ndarray, " n"],
    num_bins: int,
) -> Consistency:
    """Test the mean calibration error over k columns.

    Args:
        probs: the probability that each column is so, for each sample.
        units: samples of one unit are drawn alike, since they are copies or belong together.
    """
    num, num_columns = probs.shape
    cells = bins(num_bins, probs) + num_bins * np.arange(num_columns)
    size = num_bins * num_columns

    def error(observed: np.ndarray) -> float:
        gaps = np.bincount(cells.ravel(), (probs - observed).ravel(), size)
        return float(np.abs(gaps).sum() / num / num_columns)

    rng, num_units = np.random.default_rng(SEED), int(units.max()) + 1
    found = error(is_so)
    drawn = np.array([
        error(rng.random((num_units, num_columns))[units] < probs) for _ in range(NUM_DRAWS)
    ])  # fmt: skip
    p = (1 + np.count_nonzero(drawn >= found - 1e-12)) / (1 + NUM_DRAWS)
    return Consistency(float(drawn.mean()), _debiased(probs, is_so, cells, size), float(p))


def _debiased(
    probs: Float[np.ndarray, "n k"],
    is_so: Bool[np.ndarray, "n k"],
    cells: Int[np.ndarray, "n k"],
    size: int,
) -> float:
    """Return the error less the bias of each bin, whose gap is normal around its own value.

    A. Kumar, P. Liang and T. Ma, Verified Uncertainty Calibration, 2019, section 5, in closed form:
    the mean of a folded normal distribution.
    """
    counts = np.bincount(cells.ravel(), minlength=size)
    kept = counts > 1
    num = counts[kept]
    gap = np.bincount(cells.ravel(), (probs - is_so).ravel(), size)[kept] / num
    rate = np.bincount(cells.ravel(), is_so.ravel(), size)[kept] / num
    spread = np.sqrt((rate * (1 - rate) / (num - 1)).clip(min=1e-12))
    size_of_gap = np.abs(gap)
    folded = spread * np.sqrt(2 / np.pi) * np.exp(-(gap**2) / (2 * spread**2))
    folded += size_of_gap * (1 - 2 * scipy.stats.norm.cdf(-size_of_gap / spread))
    return float(max(0.0, (num * (2 * size_of_gap - folded)).sum() / counts.sum()))
