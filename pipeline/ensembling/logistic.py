"""Multinomial logistic regression that starts from given scores instead of zero."""

import numpy as np
import scipy
from jaxtyping import Float

from pipeline.ensembling.data import Data
from pipeline.ensembling.slopes import log_loss

Model = Float[np.ndarray, "f_and_1 k"]
"""Coefficients of the features, and in the last row the shifts."""


def fit_logistic(data: Data, strength: float, begin: Model) -> Model:
    """Minimise the sum of log-losses plus `strength / 2` times the coefficients' squared norm.

    Each class is seen once more, by members that know nothing, so that an absent class keeps a
    chance and no shift is infinite.

    Args:
        begin: where the search begins.
    """
    num_classes = data.start.shape[1]
    nothing = np.zeros((num_classes, data.features.shape[1]))
    unknowing = Data(nothing, np.zeros((num_classes, num_classes)), np.eye(num_classes))
    more = Data(*map(np.concatenate, zip(data, unknowing, strict=True)))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        model = flat.reshape(begin.shape)
        made = scores(more, model)
        error = scipy.special.softmax(made, axis=1) - more.targets
        slope = more.features.T @ error + strength * model[:-1]
        loss = log_loss(made, more.targets) + strength / 2 * (model[:-1] ** 2).sum()
        return loss, np.concatenate([slope, error.sum(axis=0, keepdims=True)]).ravel()

    options = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-9, "gtol": 1e-4}
    found = scipy.optimize.minimize(
        objective, begin.ravel(), jac=True, method="L-BFGS-B", options=options
    )
    solved: np.ndarray = found.x.reshape(begin.shape)
    return solved


def scores(data: Data, model: Model) -> Float[np.ndarray, "n k"]:
    """Return log-probabilities, up to a constant per sample."""
    made: np.ndarray = data.start + data.features @ model[:-1] + model[-1]
    return made
