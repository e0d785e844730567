"""Test a calibration error against what perfect calibration would show, and take its bias off.

Few samples bias the error upwards: even where every probability is right, bins deviate by chance.
So the error is compared with its distribution when targets are drawn from the probabilities
themselves (consistency resampling: J. Bröcker and L. Smith, Increasing the Reliability of
Reliability Diagrams, 2007). What noise adds to squared gaps is known, and is taken off as A. Kumar,
P. Liang and T. Ma do (Verified Uncertainty Calibration, 2019). No estimate of a mean of absolute
gaps is without bias: near perfect calibration, a quarter of it is left.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.metrics.calibration import bins

NUM_DRAWS, SEED = 1000, 0


class Consistency(NamedTuple):
    """A calibration error beside that of perfect calibration."""

    expected: float
    """The mean error of a perfectly calibrated system with these probabilities."""
    debiased: float
    """The error with the expected one taken off in squares, as their sizes add; 0 at least."""
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
    expected = float(drawn.mean())
    return Consistency(expected, max(0.0, found**2 - expected**2) ** 0.5, float(p))
