"""Calibration errors: how far probabilities are from how often things are so, in bins.

Bins are of equal width. Few samples make the error too large, the more so the more bins there are:
that of a perfectly calibrated system is not 0. Resampled once more it would grow once more, and
its interval miss it; so draws keep the sign that each bin has over all samples.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.metrics._answers import one_hot
from pipeline.evaluation.metrics._metric import Table
from pipeline.evaluation.metrics._probabilities import probs


def of_answers(num_bins: int, answers: Answers, targets: Int[np.ndarray, " n"]) -> Table:
    """M. Naeini, G. Cooper and M. Hauskrecht, Obtaining Well Calibrated Probabilities Using
    Bayesian Binning, 2015, equation 3: of the most probable class."""
    most = probs(answers).max(axis=1, keepdims=True)
    is_right = answers.predictions.argmax(axis=1, keepdims=True) == targets[:, None]
    return _errors(num_bins, most, is_right)


def of_outputs(num_bins: int, answers: Answers, targets: np.ndarray) -> Table:
    """The mean over classes or labels, each against the rest: M. Kull et al., Beyond Temperature
    Scaling, 2019, equation 3."""
    shares = probs(answers)
    return _errors(num_bins, shares, one_hot(targets, shares.shape[1]))


def bins(num_bins: int, probs: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
    """The bin of each probability; its lower edge belongs to it."""
    return np.minimum((probs * num_bins).astype(np.intp), num_bins - 1)


def _errors(
    num_bins: int, probs: Float[np.ndarray, "n k"], is_so: Bool[np.ndarray, "n k"]
) -> Table:
    """A number a sample whose mean is the calibration error, itself the mean over the columns."""
    num_cells = num_bins * probs.shape[1]
    cells = bins(num_bins, probs) + num_bins * np.arange(probs.shape[1])
    excess = probs - is_so
    signs = np.sign(np.bincount(cells.ravel(), excess.ravel(), num_cells))
    return np.asarray((signs[cells] * excess).mean(axis=1, keepdims=True))
