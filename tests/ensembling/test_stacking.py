"""Stacking compared with scikit-learn's regressions, and limits to the effect of little data."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline.ensembling.logistic import Problem, fit_logistic
from pipeline.ensembling.methods import stacking
from pipeline.ensembling.truth import Truth
from tests.ensembling.pools import distributions, pool


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("strength", [0.5, 20.0])
def test_without_scores_to_start_from_it_is_scikit_learns(
    num_classes: int, strength: float
) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, num_classes, 300)
    features = np.eye(num_classes)[targets] + rng.normal(size=(300, num_classes))
    one_hot, zeros = np.eye(num_classes)[targets], np.zeros((300, num_classes))
    model = fit_logistic(
        Problem(features, zeros, one_hot, np.ones(300)),
        strength,
        np.zeros((num_classes + 1,) * 2)[:, 1:],
    )
    # One extra sample of each class, by members that know nothing; and scikit-learn has half the
    # penalty on two classes, where it fits the difference of their coefficients alone.
    more = np.concatenate([features, np.zeros((num_classes, num_classes))])
    half = 2 if num_classes == 2 else 1
    reference = LogisticRegression(C=half / strength, tol=1e-9, max_iter=5000).fit(
        more, np.concatenate([targets, np.arange(num_classes)])
    )
    made = np.exp(log_softmax(features @ model[:-1] + model[-1], axis=1))
    np.testing.assert_allclose(made, reference.predict_proba(features), atol=2e-4)


def test_scores_to_start_from_count_as_they_are() -> None:
    """Without features only shifts are added: they make each class as frequent as it is, counting
    the extra sample in which all have equal chances."""
    table, targets = pool("classes", 1)
    data = Problem(np.zeros((200, 1)), table[0], np.eye(5)[targets], np.ones(200))
    model = fit_logistic(data, 1.0, np.zeros((2, 5)))
    np.testing.assert_array_equal(model[:-1], 0)
    expected = np.exp(log_softmax(table[0] + model[-1], axis=1)).sum(axis=0)
    unknowing = 5 * np.exp(log_softmax(model[-1]))
    np.testing.assert_allclose(expected + unknowing, np.bincount(targets) + 1, atol=0.05)


def test_it_learns_whom_to_believe_about_what() -> None:
    """Three members each know only two classes, so no weights would do."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 6, 3000)
    knows = np.repeat(np.eye(3), 2, axis=1)[:, None, :]
    table = distributions(4 * np.eye(6)[targets] * knows + rng.normal(size=(3, 3000, 6)))
    state = stacking.fit(
        stacking.Params(name="stacking"), table[:, :1500], Truth.plain(targets[:1500])
    )
    right = (stacking.apply(state, table[:, 1500:]).argmax(axis=1) == targets[1500:]).mean()
    mean = (table[:, 1500:].mean(axis=0).argmax(axis=1) == targets[1500:]).mean()
    assert right > mean + 0.1


def test_where_nothing_helps_it_is_the_mean_of_log_probabilities() -> None:
    """Each prediction comes true exactly as often as it says."""
    probs, targets = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], [0, 0, 1, 2, 0, 1, 1, 2]
    table = np.log(np.repeat(probs, 4, axis=0))[None]
    table, targets = np.tile(table, (3, 20, 1)), np.tile(targets, 20)
    state = stacking.fit(stacking.Params(name="stacking"), table, Truth.plain(targets))
    np.testing.assert_allclose(stacking.apply(state, table), table[0], atol=1e-9)


def test_many_members_are_projected() -> None:
    """The model uses MOST_DIRECTIONS of the members' 80 features, and still beats their mean."""
    table, targets = pool("classes", 16, 400)
    state = stacking.fit(stacking.Params(name="stacking"), table, Truth.plain(targets))
    assert state["coef"].shape == (80, 5)
    assert np.linalg.matrix_rank(state["coef"]) <= 5
    made = stacking.apply(state, table)[np.arange(400), targets].mean()
    assert made > table[:, np.arange(400), targets].mean()


def test_values_are_ridge_regression_of_what_the_mean_leaves() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(300, 2))
    values = targets * np.array([0.5, 1.0, 2.0])[:, None, None] + rng.normal(size=(3, 300, 2))
    params = stacking.Params(name="stacking", strengths=(7.0,))
    state = stacking.fit_values(params, values, Truth.plain(targets))
    flat = np.moveaxis(values, 0, 1).reshape(300, -1)
    mean = values.mean(axis=0)
    reference = Ridge(7.0 * 3).fit(flat, targets - mean)
    np.testing.assert_allclose(
        stacking.apply_values(state, values), mean + reference.predict(flat), atol=1e-6
    )
