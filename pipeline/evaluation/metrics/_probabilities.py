"""Metrics of predicted probabilities, of classes and of labels."""

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.metrics._answers import one_hot
from pipeline.evaluation.metrics._metric import Table


def probs(answers: Answers) -> Float[np.ndarray, "n k"]:
    """Of each class, or that each label is there."""
    log_probs = answers.predictions
    return np.asarray(np.exp(log_probs if log_probs.ndim == 2 else log_probs[..., 1]))


def log_loss(answers: Answers, targets: Int[np.ndarray, " n"]) -> Table:
    """Nats."""
    return -np.take_along_axis(answers.predictions, targets[:, None], axis=1)


def labels_log_loss(answers: Answers, targets: Bool[np.ndarray, "n k"]) -> Table:
    """Nats; the mean over the labels."""
    absent, present = np.moveaxis(answers.predictions, -1, 0)
    return np.asarray(-np.where(targets, present, absent).mean(axis=1, keepdims=True))


def brier(answers: Answers, targets: Int[np.ndarray, " n"]) -> Table:
    """Squared errors of the probabilities, summed over the classes; of two classes, one of them.

    G. Brier, Verification of Forecasts Expressed in Terms of Probability, 1950; as scikit-learn.
    """
    shares = probs(answers)
    squares = np.square(shares - one_hot(targets, shares.shape[1]))
    return np.asarray(squares[:, 1:] if shares.shape[1] == 2 else squares.sum(axis=1)[:, None])


def labels_brier(answers: Answers, targets: Bool[np.ndarray, "n k"]) -> Table:
    """Squared errors of the probabilities; the mean over the labels."""
    return np.asarray(np.square(probs(answers) - targets).mean(axis=1, keepdims=True))


def top(num: int, answers: Answers, targets: Int[np.ndarray, " n"]) -> Table:
    """Whether the true class is among the `num` most probable ones; of equal ones the first
    count, as in argmax."""
    log_probs = answers.predictions
    own = np.take_along_axis(log_probs, targets[:, None], axis=1)
    is_first = np.arange(log_probs.shape[1]) < targets[:, None]
    ahead = (log_probs > own) | ((log_probs == own) & is_first)
    return np.asarray(ahead.sum(axis=1, keepdims=True) < num, np.float64)
