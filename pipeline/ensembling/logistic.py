"""Multinomial logistic regression that starts from given scores instead of zero."""

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

Model = Float[np.ndarray, "f_and_1 k"]
"""Coefficients of the features, and in the last row the shifts."""


class Problem(NamedTuple):
    """The training data of n samples."""

    features: Float[np.ndarray, "n f"]
    start: Float[np.ndarray, "n k"]
    """Log-probabilities that the model is added to."""
    one_hot: Float[np.ndarray, "n k"]
    """1 for the true outcome and 0 for all others."""
    weights: Float[np.ndarray, " n"]
    """How much each sample counts."""

    def of(self, rows: np.ndarray) -> "Problem":
        return Problem(*(array[rows] for array in self))


def fit_logistic(data: Problem, strength: float, begin: Model) -> Model:
    """Minimise the sum of log-losses plus `strength / 2` times the coefficients' squared norm.

    Each class is seen once more, by members that know nothing, so that an absent class keeps a
    chance and no shift is infinite.

    Args:
        begin: where the search begins.
    """
    num_classes = data.start.shape[1]
    nothing = np.zeros((num_classes, data.features.shape[1]))
    even = np.zeros((num_classes, num_classes))
    unknowing = Problem(nothing, even, np.eye(num_classes), np.ones(num_classes))
    more = Problem(*map(np.concatenate, zip(data, unknowing, strict=True)))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        model = flat.reshape(begin.shape)
        log_p = log_probs(more, model)
        error = more.weights[:, None] * (np.exp(log_p) - more.one_hot)
        slope = more.features.T @ error + strength * model[:-1]
        penalty = strength / 2 * (model[:-1] ** 2).sum()
        return sum_of_losses(more, log_p) + penalty, np.concatenate(
            [slope, error.sum(axis=0, keepdims=True)]
        ).ravel()

    options = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-9, "gtol": 1e-4}
    found = scipy.optimize.minimize(
        objective, begin.ravel(), jac=True, method="L-BFGS-B", options=options
    )
    solved: np.ndarray = found.x.reshape(begin.shape)
    return solved


def sum_of_losses(data: Problem, log_p: Float[np.ndarray, "n k"]) -> float:
    """Return the weighted sum of the log-losses of these log-probabilities."""
    return float(-data.weights @ (log_p * data.one_hot).sum(axis=1))


def log_probs(data: Problem, model: Model) -> Float[np.ndarray, "n k"]:
    """Return the model's log-probabilities."""
    scores = data.start + data.features @ model[:-1] + model[-1]
    made: np.ndarray = scipy.special.log_softmax(scores, axis=1)
    return made
