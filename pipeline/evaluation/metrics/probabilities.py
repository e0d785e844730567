"""Metrics of the predicted probabilities of classes and labels."""

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.metrics.decided import one_hot
from pipeline.evaluation.metrics.metric import Table
from pipeline.evaluation.outputs import SystemOutput


def probs(outputs: SystemOutput) -> Float[np.ndarray, "n k"]:
    """Return the probability of each class, or of the presence of each label."""
    log_probs = outputs.predictions
    return np.asarray(np.exp(log_probs if log_probs.ndim == 2 else log_probs[..., 1]))


def log_loss(outputs: SystemOutput, targets: Int[np.ndarray, " n"]) -> Table:
    """Compute the log loss in nats."""
    return -np.take_along_axis(outputs.predictions, targets[:, None], axis=1)


def labels_log_loss(outputs: SystemOutput, targets: Bool[np.ndarray, "n k"]) -> Table:
    """Compute the log loss in nats, averaged over the labels."""
    absent, present = np.moveaxis(outputs.predictions, -1, 0)
    return np.asarray(-np.where(targets, present, absent).mean(axis=1, keepdims=True))


def brier(outputs: SystemOutput, targets: Int[np.ndarray, " n"]) -> Table:
    """Compute the Brier score: squared errors summed over the classes, or of one class of two.

    G. Brier, Verification of Forecasts Expressed in Terms of Probability, 1950; as in scikit-learn.
    """
    shares = probs(outputs)
    squares = np.square(shares - one_hot(targets, shares.shape[1]))
    return np.asarray(squares[:, 1:] if shares.shape[1] == 2 else squares.sum(axis=1)[:, None])


def labels_brier(outputs: SystemOutput, targets: Bool[np.ndarray, "n k"]) -> Table:
    """Compute the Brier score averaged over the labels."""
    return np.asarray(np.square(probs(outputs) - targets).mean(axis=1, keepdims=True))


def top(num: int, outputs: SystemOutput, targets: Int[np.ndarray, " n"]) -> Table:
    """Return whether the true class is among the `num` most probable ones.

    Among equal ones the first count, as in argmax.
    """
    log_probs = outputs.predictions
    own = np.take_along_axis(log_probs, targets[:, None], axis=1)
    is_first = np.arange(log_probs.shape[1]) < targets[:, None]
    ahead = (log_probs > own) | ((log_probs == own) & is_first)
    return np.asarray(ahead.sum(axis=1, keepdims=True) < num, np.float64)
