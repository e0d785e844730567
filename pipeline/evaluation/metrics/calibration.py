"""Calibration errors: the gap between predicted probabilities and observed frequencies, in bins.

Bins are of equal width. Few samples bias the error upwards, the more so the more bins there are, so
even a perfectly calibrated system has an error above 0. Resampling would add that bias a second
time, and the interval would miss the value; therefore every draw keeps the sign that each bin has
over all samples.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.metrics.decided import one_hot
from pipeline.evaluation.metrics.metric import Metric, Table, mean_within_1
from pipeline.evaluation.metrics.probabilities import probs
from pipeline.evaluation.outputs import SystemOutput

Errors = Callable[[int, SystemOutput, np.ndarray], Table]
"""Computes numbers, one for each sample, whose mean is the calibration error in so many bins."""


def metric(errors: Errors, num_bins: int) -> Metric:
    """Return the metric of a calibration error.

    It has no interval: the value is biased, and resampling adds the bias once more, so that
    intervals contain the true error in 4 to 37 % of test sets of 360 samples.
    """
    return Metric(
        partial(errors, num_bins),
        mean_within_1,
        higher_is_better=False,
        interval="none",
        takes_weights=False,
    )


def of_most_probable(num_bins: int, outputs: SystemOutput, targets: Int[np.ndarray, " n"]) -> Table:
    """Compute the calibration error of the most probable class.

    M. Naeini, G. Cooper and M. Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian
    Binning, 2015, equation 3.
    """
    most = probs(outputs).max(axis=1, keepdims=True)
    is_right = outputs.predictions.argmax(axis=1, keepdims=True) == targets[:, None]
    return _errors(num_bins, most, is_right)


def of_outputs(num_bins: int, outputs: SystemOutput, targets: np.ndarray) -> Table:
    """Compute the mean calibration error over the classes or labels, each against the rest.

    M. Kull et al., Beyond Temperature Scaling, 2019, equation 3.
    """
    shares = probs(outputs)
    return _errors(num_bins, shares, one_hot(targets, shares.shape[1]))


def bins(num_bins: int, probs: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
    """Return the bin of each probability; a bin includes its lower edge."""
    return np.minimum((probs * num_bins).astype(np.intp), num_bins - 1)


def _errors(
    num_bins: int, probs: Float[np.ndarray, "n k"], is_so: Bool[np.ndarray, "n k"]
) -> Table:
    """Return numbers, one for each sample, whose mean is the calibration error over all columns."""
    num_cells = num_bins * probs.shape[1]
    cells = bins(num_bins, probs) + num_bins * np.arange(probs.shape[1])
    excess = probs - is_so
    signs = np.sign(np.bincount(cells.ravel(), excess.ravel(), num_cells))
    return np.asarray((signs[cells] * excess).mean(axis=1, keepdims=True))
