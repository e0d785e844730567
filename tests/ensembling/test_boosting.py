"""Boosting compared with scikit-learn's, tree by tree and as a whole."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor

from pipeline.ensembling.methods import boosting
from pipeline.ensembling.slopes import LOG, SQUARED
from pipeline.ensembling.trees import leaves, plain, total
from tests.ensembling.pools import distributions, pool

PLAIN = {"name": "boosting", "penalty": 0.0, "sample_fraction": 1.0, "feature_fraction": 1.0}
SAME = {"criterion": "squared_error", "max_depth": 2, "min_samples_leaf": 20, "learning_rate": 0.2}


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_samples_end_in_the_leaves_of_scikit_learns_tree(depth: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 6)).round(1).astype(np.float32)  # some on thresholds
    tree = DecisionTreeRegressor(max_depth=depth, random_state=0)
    tree.fit(features[:100], rng.normal(size=(100, 3)))
    np.testing.assert_array_equal(leaves(plain(tree, depth), features), tree.apply(features))


def test_values_are_boosted_as_scikit_learn_boosts_them() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 400, 1))
    targets = np.abs(values[0]) + values.std(axis=0)
    params = boosting.Params(**PLAIN, depth=2, num_rounds=10)
    state = boosting.fit_values(params, values, targets)
    num_trees = len(state["left"])
    assert num_trees > 3
    features = np.concatenate([values.mean(axis=0), values.std(axis=0)], axis=1)
    reference = GradientBoostingRegressor(
        init="zero", n_estimators=num_trees, random_state=0, **SAME
    )
    reference.fit(features, (targets - values.mean(axis=0))[:, 0])
    expected = values.mean(axis=0)[:, 0] + reference.predict(features)
    np.testing.assert_allclose(boosting.apply_values(state, values)[:, 0], expected, atol=1e-5)


class FirstFeatures(BaseEstimator):
    """Two classes whose probabilities are given by their centred log-probabilities."""

    def fit(self, _features: np.ndarray, _targets: np.ndarray) -> "FirstFeatures":
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return np.exp(log_softmax(features[:, :2].astype(float), axis=1))


def test_two_classes_are_boosted_as_scikit_learn_boosts_them() -> None:
    """There one tree is for both, as here."""
    rng = np.random.default_rng(0)
    table = distributions(rng.normal(size=(3, 400, 2)))
    targets = (table.std(axis=0)[:, 1] + 0.3 * rng.normal(size=400) > 0.6).astype(int)
    state = boosting.fit(boosting.Params(**PLAIN, depth=2, num_rounds=10), table, targets)
    num_trees = len(state["left"])
    assert num_trees > 3
    centred = table - table.mean(axis=2, keepdims=True)
    features = np.concatenate([centred.mean(axis=0), centred.std(axis=0)], axis=1)
    reference = GradientBoostingClassifier(
        init=FirstFeatures(), n_estimators=num_trees, random_state=0, **SAME
    ).fit(features, targets)
    np.testing.assert_allclose(
        np.exp(boosting.apply(state, table)), reference.predict_proba(features), atol=1e-5
    )


def test_it_learns_that_members_who_differ_know_less() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 2000)
    is_hard = rng.random(2000) < 0.5
    # Where it is hard the members disagree widely, and where they agree means nothing.
    skill = np.where(is_hard, 0.0, 2.0)[:, None]
    spread = np.where(is_hard, 3.0, 0.3)[:, None]
    table = distributions(skill * np.eye(4)[targets] + spread * rng.normal(size=(4, 2000, 4)))
    state = boosting.fit(boosting.Params(name="boosting"), table[:, :1000], targets[:1000])
    rows = np.arange(1000), targets[1000:]
    loss = -boosting.apply(state, table[:, 1000:])[rows].mean()
    assert loss < 0.9 * -log_softmax(table[:, 1000:].mean(axis=0), axis=1)[rows].mean()


@pytest.mark.parametrize("seed", range(3))
def test_little_data_does_not_run_away(seed: int) -> None:
    """There is nothing to learn from 60 samples of a perfect mean."""
    rng = np.random.default_rng(seed)
    table = distributions(2 * rng.normal(size=(1, 5060, 5)).repeat(3, axis=0))
    targets = (rng.random((5060, 1)) > np.exp(table[0]).cumsum(axis=1)).sum(axis=1).clip(0, 4)
    state = boosting.fit(boosting.Params(name="boosting"), table[:, :60], targets[:60])
    rows = np.arange(5000), targets[60:]
    assert -boosting.apply(state, table[:, 60:])[rows].mean() < -table[0, 60:][rows].mean() + 0.05


def test_no_tree_adds_nothing() -> None:
    table, _ = pool("classes", 2, 10)
    empty = {name: np.array([]) for name in ("left", "right", "feature", "threshold", "value")}
    assert total(empty, np.zeros((10, 10), np.float32)) == 0
    expected = log_softmax(table.mean(axis=0), axis=1)
    np.testing.assert_allclose(boosting.apply(empty, table), expected)


@pytest.mark.parametrize("loss", [LOG, SQUARED])
def test_slopes_are_those_of_the_loss(loss) -> None:
    """Compare with differences; log-loss curvature is scaled so that two classes count as one."""
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(1, 4)), np.eye(4)[[2]]
    downhill, curvature = loss.slopes(scores, targets)
    half = 0.5 if loss is SQUARED else 1.0  # boosting's squared error is half the square
    scale = 1.0 if loss is SQUARED else 4 / 3
    for k in range(4):
        step = 1e-4 * np.eye(4)[[k]]
        up, down = (loss.total(scores + sign * step, targets) * half for sign in (1, -1))
        assert -(up - down) / 2e-4 == pytest.approx(downhill[0, k], abs=1e-6)
        bent = (up + down - 2 * half * loss.total(scores, targets)) / 1e-8
        assert bent * scale == pytest.approx(curvature[0, k], abs=1e-4)
