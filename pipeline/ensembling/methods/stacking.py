"""Stacking: multinomial logistic regression of the residuals of the mean on all predictions.

D. Wolpert, Stacked Generalization, 1992; for values, ridge regression: L. Breiman, Stacked
Regressions, 1996. Both are shrunk towards the mean, so that little data changes little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import scipy
from jaxtyping import Float, Int
from pydantic import Field

from pipeline.core.component import Component
from pipeline.ensembling.folds import inner_folds
from pipeline.ensembling.logistic import Model, Problem, fit_logistic, log_probs, sum_of_losses
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth

if TYPE_CHECKING:
    from torch import Tensor

PER_LABEL = True
MOST_DIRECTIONS = 64


class Params(Component):
    """The possible strengths of the penalty; inner cross-validation chooses."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")
    MOST_FEATURES: ClassVar[int] = 1000

    strengths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (
        1.0, 10.0, 100.0, 1000.0,
    )  # fmt: skip
    """Factors of the penalty, half the coefficients' squared norm, added to the sum of losses."""
    num_folds: Annotated[int, Field(ge=2)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the folds."""


def fit(params: Params, log_probs: Float[np.ndarray, "m n k"], truth: Truth) -> State:
    """Fit a coefficient of each outcome of each member, for each outcome; and shifts."""
    flat, mean = _flat(log_probs), log_probs.mean(axis=0)
    directions = _directions(flat * np.sqrt(truth.weights)[:, None], log_probs.shape[2])
    one_hot = np.eye(log_probs.shape[2])[truth.targets]
    data = Problem(flat @ directions, mean, one_hot, truth.weights)
    model = _chosen(params, data, inner_folds(truth.units, params.num_folds, params.seed))
    return {"coef": directions @ model[:-1], "shift": model[-1]}


def apply(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:
    """Return the logistic model's log-probabilities."""
    added = _flat(log_probs) @ state["coef"] + state["shift"]
    made: np.ndarray = scipy.special.log_softmax(log_probs.mean(axis=0) + added, axis=1)
    return made


def fit_values(params: Params, values: Float[np.ndarray, "m n t"], truth: Truth) -> State:
    """Fit a coefficient of each value of each member, for each value; and shifts.

    The strength is the best on samples left out. A hundred members together are shrunk as much as
    one.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import PredefinedSplit

    left = truth.targets - values.mean(axis=0)
    share = 1 / np.sqrt(len(values))
    cv = PredefinedSplit(inner_folds(truth.units, params.num_folds, params.seed))
    ridge = RidgeCV(list(params.strengths), cv=cv, scoring="neg_mean_squared_error")
    model = ridge.fit(share * np.concatenate([*values], axis=1), left)
    coef = share * model.coef_.reshape(left.shape[1], -1).T
    return {"coef": coef, "shift": np.reshape(model.intercept_, left.shape[1])}


def apply_values(state: State, values: Float[np.ndarray, "m n t"]) -> Float[np.ndarray, "n t"]:
    """Return the linear model's values."""
    flat = np.concatenate([*values], axis=1)
    return np.asarray(values.mean(axis=0) + flat @ state["coef"] + state["shift"])


def forward(state: dict[str, Tensor], log_probs: Float[Tensor, "m n k"]) -> Float[Tensor, "n k"]:
    """Do what `apply` does."""
    centred = log_probs - log_probs.mean(dim=2, keepdim=True)
    return (log_probs.mean(dim=0) + _linear(state, centred)).log_softmax(dim=1)


def forward_values(
    state: dict[str, Tensor], values: Float[Tensor, "m n t"]
) -> Float[Tensor, "n t"]:
    """Do what `apply_values` does."""
    return values.mean(dim=0) + _linear(state, values)


def _linear(state: dict[str, Tensor], each: Float[Tensor, "m n k"]) -> Float[Tensor, "n k"]:
    return each.transpose(0, 1).flatten(1) @ state["coef"] + state["shift"]


def _flat(log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n f"]:
    """Flatten log-probabilities, centred so that a member that knows nothing gives zeros."""
    return np.concatenate([m - m.mean(axis=1, keepdims=True) for m in log_probs], axis=1)


def _directions(flat: Float[np.ndarray, "n f"], num_classes: int) -> Float[np.ndarray, "f d"]:
    """Return the MOST_DIRECTIONS principal directions to project on, or all if there are fewer.

    They are scaled so that the squares of a sample's features sum to the number of classes:
    strengths then mean the same for confident and unconfident, for few and many members.
    """
    num_features = flat.shape[1]
    first = max(num_features - MOST_DIRECTIONS, 0)
    values, axes = scipy.linalg.eigh(
        flat.T @ flat / len(flat), subset_by_index=(first, num_features - 1)
    )
    return np.asarray(axes / np.sqrt(max(values.sum() / num_classes, np.finfo(float).tiny)))


def _chosen(params: Params, data: Problem, fold_of: Int[np.ndarray, " n"]) -> Model:
    """Return the model whose strength has the lowest log-loss on samples left out.

    If no strength helps, its coefficients are zero.

    The search runs from the strongest on, as long as the loss falls; each begins at the model
    before it.
    """
    nothing = np.zeros((data.features.shape[1] + 1, data.start.shape[1]))
    numbers = np.unique(fold_of)
    left_out, whole, lowest = dict.fromkeys(numbers, nothing), nothing, np.inf
    for strength in sorted(params.strengths, reverse=True):
        loss = 0.0
        for fold in numbers:
            left_out[fold] = fit_logistic(data.of(fold_of != fold), strength, left_out[fold])
            loss += _loss(data.of(fold_of == fold), left_out[fold])
        if loss >= lowest:
            break
        lowest, whole = loss, fit_logistic(data, strength, whole)
    return whole if lowest < _loss(data, nothing) else nothing


def _loss(data: Problem, model: Model) -> float:
    return sum_of_losses(data, log_probs(data, model))
