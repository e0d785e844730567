"""Losses with their gradients and curvatures, as boosting needs them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

Table = Float[np.ndarray, "n k"]


class Loss(NamedTuple):
    """A loss: both functions take scores "n k" and targets "n k"."""

    slopes: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """Returns the negative gradient, and the curvature."""
    total: Callable[[np.ndarray, np.ndarray], float]


def _log_slopes(scores: Table, one_hot: Table) -> tuple[Table, Table]:
    """Return slopes by J. Friedman, Greedy Function Approximation, 2001, equations 29 and 32."""
    num_classes = scores.shape[1]
    probs = np.exp(scipy.special.log_softmax(scores, axis=1))
    return one_hot - probs, probs * (1 - probs) * num_classes / (num_classes - 1)


def log_loss(scores: Table, one_hot: Table) -> float:
    """Return the sum over all samples, in nats."""
    return float(-(scipy.special.log_softmax(scores, axis=1) * one_hot).sum())


def _squared_slopes(scores: Table, targets: Table) -> tuple[Table, Table]:
    return targets - scores, np.ones_like(scores)


def _squared_error(scores: Table, targets: Table) -> float:
    return float(((targets - scores) ** 2).sum())


LOG = Loss(_log_slopes, log_loss)
SQUARED = Loss(_squared_slopes, _squared_error)
