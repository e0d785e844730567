"""Gradient boosting of the residuals of the members' mean, by small trees that see their spread.

J. Friedman, Greedy Function Approximation, 2001, algorithm 6, and Stochastic Gradient Boosting,
2002; with one tree per round for all outcomes, and leaves shrunk as in T. Chen and C. Guestrin,
XGBoost, 2016, equation 5. It starts from the mean of log-probabilities or values, and inner
cross-validation chooses how many trees are added: none if they do not help.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, ClassVar

import numpy as np
import scipy
from jaxtyping import Float, Float32, Int
from pydantic import Field

from pipeline.core.component import Component
from pipeline.ensembling.data import Data
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.slopes import LOG, SQUARED, Loss
from pipeline.ensembling.trees import leaves, plain, total

APART = True
PATIENCE_TREES = 5


class Params(Component):
    """The number and size of the trees, and the step of each."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")

    num_rounds: Annotated[int, Field(ge=1)] = 30
    """The largest number of trees."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.2
    depth: Annotated[int, Field(ge=1, le=8)] = 3
    least_in_leaf: Annotated[int, Field(ge=1)] = 20
    penalty: Annotated[float, Field(ge=0)] = 5.0
    """Added to the curvature in a leaf, which is at most 1 per sample: shrinks leaves with few
    samples."""
    sample_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the samples that each tree sees."""
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of the features that each split considers."""
    num_folds: Annotated[int, Field(ge=2)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def fit(
    params: Params, log_probs: Float[np.ndarray, "m n k"], targets: Int[np.ndarray, " n"]
) -> State:
    """Fit trees to add to the mean of log-probabilities."""
    one_hot = np.eye(log_probs.shape[2])[targets]
    data = Data(_features(_centred(log_probs)), log_probs.mean(axis=0), one_hot)
    return _as_many_as_help(params, data, LOG)


def apply(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:
    """Return the mean plus the trees' output, normalised."""
    added = total(state, _features(_centred(log_probs)))
    made: np.ndarray = scipy.special.log_softmax(log_probs.mean(axis=0) + added, axis=1)
    return made


def fit_values(
    params: Params, values: Float[np.ndarray, "m n t"], targets: Float[np.ndarray, "n t"]
) -> State:
    """Fit trees to add to the mean of values."""
    return _as_many_as_help(params, Data(_features(values), values.mean(axis=0), targets), SQUARED)


def apply_values(state: State, values: Float[np.ndarray, "m n t"]) -> Float[np.ndarray, "n t"]:
    """Return the mean plus the trees' output."""
    return np.asarray(values.mean(axis=0) + total(state, _features(values)))


def _features(members: Float[np.ndarray, "m n k"]) -> Float32[np.ndarray, "n f"]:
    """Return the members' mean and spread per outcome or value, whatever the number of members."""
    mean = members.mean(axis=0)
    variance = sum((member - mean) ** 2 for member in members) / len(members)
    return np.concatenate([mean, np.sqrt(variance)], axis=1).astype(np.float32)


def _centred(log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "m n k"]:
    centred: np.ndarray = log_probs - log_probs.mean(axis=2, keepdims=True)
    return centred


def _as_many_as_help(params: Params, data: Data, loss: Loss) -> State:
    trees = list(islice(_trees(params, data, loss), _num_useful(params, data, loss)))
    names = ("left", "right", "feature", "threshold", "value")
    return {name: np.array([tree[name] for tree in trees]) for name in names}


def _num_useful(params: Params, data: Data, loss: Loss) -> int:
    """Return the number of trees that is best on samples left out."""
    place = np.random.default_rng(params.seed).permutation(len(data.start)) % params.num_folds
    folds = [
        _left_out(params, data.of(place != fold), data.of(place == fold), loss)
        for fold in range(params.num_folds)
    ]
    losses: list[float] = []
    for each in islice(zip(*folds, strict=True), params.num_rounds + 1):
        losses.append(sum(each))
        if len(losses) > np.argmin(losses) + PATIENCE_TREES:
            break
    return int(np.argmin(losses))


def _left_out(params: Params, seen: Data, unseen: Data, loss: Loss) -> Iterator[float]:
    """Yield the loss of `unseen` with no tree, with one tree, and so on."""
    scores = unseen.start
    yield loss.total(scores, unseen.targets)
    for tree in _trees(params, seen, loss):
        scores = scores + tree["value"][leaves(tree, unseen.features)]
        yield loss.total(scores, unseen.targets)


def _trees(params: Params, data: Data, loss: Loss) -> Iterator[State]:
    """Yield trees without end, each fitted to what those before it leave."""
    from sklearn.tree import DecisionTreeRegressor

    random, scores = np.random.RandomState(params.seed), data.start  # the type scikit-learn needs
    size = max(round(params.sample_fraction * len(scores)), 1)
    while True:
        downhill, curvature = loss.slopes(scores, data.targets)
        some = np.sort(random.permutation(len(scores))[:size])
        grown = DecisionTreeRegressor(
            max_depth=params.depth,
            min_samples_leaf=params.least_in_leaf,
            max_features=params.feature_fraction,
            random_state=random,
        ).fit(data.features[some], downhill[some])
        tree = plain(grown, params.depth)
        leaf = leaves(tree, data.features)
        is_in = (leaf[some] == np.arange(len(tree["left"]))[:, None]).astype(float)
        held = np.maximum(is_in @ curvature[some] + params.penalty, np.finfo(float).tiny)
        tree["value"] = params.learning_rate * (is_in @ downhill[some]) / held
        scores = scores + tree["value"][leaf]
        yield tree
