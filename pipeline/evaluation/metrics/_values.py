"""Metrics of values. Where there are several, the mean over them, each in its own units."""

import numpy as np
from jaxtyping import Float

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.metrics._metric import Counts, Figures, Sums, Table, ratio

Targets = Float[np.ndarray, "n t"]


def absolute_errors(answers: Answers, targets: Targets) -> Table:
    """The mean over the values."""
    errors = np.abs(answers.predictions - targets)
    return np.asarray(errors.mean(axis=1, keepdims=True))


def squares(answers: Answers, targets: Targets) -> Table:
    """Squared errors; the targets less their mean, which keeps digits; and these squared."""
    centred = targets - targets.mean(axis=0)
    return np.hstack([np.square(answers.predictions - targets), centred, np.square(centred)])


def rmse(sums: Sums, num_samples: Counts) -> Figures:
    """The root of the mean squared error."""
    errors, _, _ = np.split(sums, 3, axis=1)
    return np.asarray(np.sqrt(ratio(errors, num_samples[:, None])).mean(axis=1))


def r2(sums: Sums, num_samples: Counts) -> Figures:
    """The share of the variance that is explained. Undefined where targets do not vary; such a
    value does not count among several."""
    errors, centred, spread = np.split(sums, 3, axis=1)
    around = spread - ratio(centred**2, num_samples[:, None])
    varies = around > 1e-12 * spread
    shares = np.where(varies, 1 - ratio(errors, around), 0.0)
    return ratio(shares.sum(axis=1), varies.sum(axis=1))


def covered(answers: Answers, targets: Targets) -> Table:
    """Whether the interval around a value holds the true one; not a number without intervals."""
    half_widths = _half_widths(answers)
    inside = np.where(np.abs(answers.predictions - targets) <= half_widths, 1.0, 0.0)
    return np.asarray((inside + 0 * half_widths).mean(axis=1, keepdims=True))


def widths(answers: Answers, targets: Targets) -> Table:  # noqa: ARG001
    """Of the intervals; not a number without them."""
    return np.asarray(2 * _half_widths(answers).mean(axis=1, keepdims=True))


def _half_widths(answers: Answers) -> Float[np.ndarray, "n t"]:
    given = np.nan if answers.half_widths is None else answers.half_widths
    return np.broadcast_to(given, answers.predictions.shape)
