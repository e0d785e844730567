"""Metrics of values. Several values are averaged, each in its own units."""

import numpy as np
from jaxtyping import Float

from pipeline.evaluation.metrics.metric import Counts, Figures, Sums, Table, ratio
from pipeline.evaluation.outputs import SystemOutput

Targets = Float[np.ndarray, "n t"]


def absolute_errors(outputs: SystemOutput, targets: Targets) -> Table:
    """Compute the absolute errors, averaged over the values."""
    errors = np.abs(outputs.predictions - targets)
    return np.asarray(errors.mean(axis=1, keepdims=True))


def squares(outputs: SystemOutput, targets: Targets) -> Table:
    """Return squared errors, centred targets, which keep their digits, and the squares of these."""
    centred = targets - targets.mean(axis=0)
    return np.hstack([np.square(outputs.predictions - targets), centred, np.square(centred)])


def of_squares(table: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "n t"]:
    """Return the squared errors of each value, out of the table of `squares`."""
    return np.asarray(np.split(table, 3, axis=1)[0])


def rmse(sums: Sums, num_samples: Counts) -> Figures:
    """Compute the root mean squared error."""
    errors, _, _ = np.split(sums, 3, axis=1)
    return np.asarray(np.sqrt(ratio(errors, num_samples[:, None])).mean(axis=1))


def r2(sums: Sums, num_samples: Counts) -> Figures:
    """Compute the fraction of the variance that is explained.

    It is undefined where targets do not vary; the mean over several values leaves such a value out.
    """
    errors, centred, spread = np.split(sums, 3, axis=1)
    around = spread - ratio(centred**2, num_samples[:, None])
    varies = around > 1e-12 * spread
    shares = np.where(varies, 1 - ratio(errors, around), 0.0)
    return ratio(shares.sum(axis=1), varies.sum(axis=1))


def covered(outputs: SystemOutput, targets: Targets) -> Table:
    """Return whether each interval contains the true value; NaN without intervals."""
    half_widths = _half_widths(outputs)
    inside = np.where(np.abs(outputs.predictions - targets) <= half_widths, 1.0, 0.0)
    return np.asarray((inside + 0 * half_widths).mean(axis=1, keepdims=True))


def widths(outputs: SystemOutput, targets: Targets) -> Table:  # noqa: ARG001
    """Return the widths of the intervals; NaN without intervals."""
    return np.asarray(2 * _half_widths(outputs).mean(axis=1, keepdims=True))


def _half_widths(outputs: SystemOutput) -> Float[np.ndarray, "n t"]:
    given = np.nan if outputs.half_widths is None else outputs.half_widths
    return np.broadcast_to(given, outputs.predictions.shape)
