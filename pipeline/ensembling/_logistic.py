"""Multinomial logistic regression that starts from given scores, not from zero."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import log_softmax

Model = Float[np.ndarray, "d_and_1 k"]
"""Coefficients, and last the shifts."""


class Data(NamedTuple):
    """What a model is fitted on."""

    features: Float[np.ndarray, "n d"]
    offset: Float[np.ndarray, "n k"]
    """Scores that the model's are added to."""
    one_hot: Float[np.ndarray, "n k"]

    def of(self, rows: np.ndarray) -> "Data":
        return Data(*(array[rows] for array in self))


def fit_logistic(data: Data, strength: float, start: Model) -> Model:
    """The lowest sum of log-losses and `strength / 2` times the squared norm of the coefficients.

    Each class is seen once more, by members that know nothing: so one that is absent here keeps a
    chance, and no shift is infinite.
    """
    num_classes = data.offset.shape[1]
    unknowing = Data(
        np.zeros((num_classes, data.features.shape[1])),
        np.zeros((num_classes, num_classes)),
        np.eye(num_classes),
    )
    more = Data(*map(np.concatenate, zip(data, unknowing, strict=True)))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        model = flat.reshape(start.shape)
        made = _log_probs(more, model)
        error = np.exp(made) - more.one_hot
        slope = more.features.T @ error + strength * model[:-1]
        total = strength / 2 * (model[:-1] ** 2).sum() - (made * more.one_hot).sum()
        return total, np.concatenate([slope, error.sum(axis=0, keepdims=True)]).ravel()

    options = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-9, "gtol": 1e-4}
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    solved: np.ndarray = found.x.reshape(start.shape)
    return solved


def log_loss(data: Data, model: Model) -> float:
    """The sum over all samples, in nats."""
    return float(-(_log_probs(data, model) * data.one_hot).sum())


def _log_probs(data: Data, model: Model) -> Float[np.ndarray, "n k"]:
    scores = data.offset + data.features @ model[:-1] + model[-1]
    made: np.ndarray = log_softmax(scores, axis=1)
    return made
