"""Every method: what it must find on predictions with a known answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.component import load, names, schema
from pipeline.ensembling import greedy, mean
from pipeline.ensembling._choose import cross_validated, fit, mean_log_loss
from pipeline.ensembling._combiner import Combiner
from pipeline.tasks.multiclass import predictions as log_probs

METHODS = names("method")


def pool(num_members: int = 3, size: int = 400, skill: float = 2.0, seed: int = 0):
    """Members that know the target equally well and err independently."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 5, size)
    signal = skill * np.eye(5)[targets]
    return log_probs(signal + generator.normal(size=(num_members, size, 5))), targets


def params(name: str):
    return schema("method", name)(name=name)


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_a_share_of_each_member(name: str) -> None:
    weights = fit(params(name), *pool())
    assert weights.shape == (3,)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", METHODS)
def test_the_result_is_a_distribution(name: str) -> None:
    table, targets = pool()
    combined = load("method", params(name)).combine(fit(params(name), table, targets), table)
    np.testing.assert_allclose(np.exp(combined).sum(1), 1, atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_equal_members_give_the_member_back(name: str) -> None:
    table, targets = pool(1)
    same = np.repeat(table, 4, axis=0)
    combined = load("method", params(name)).combine(fit(params(name), same, targets), same)
    np.testing.assert_allclose(combined, table[0], atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_a_single_member_is_itself(name: str) -> None:
    table, targets = pool(1)
    np.testing.assert_allclose(fit(params(name), table, targets), [1.0])


@pytest.mark.parametrize("name", METHODS)
def test_independent_members_are_better_together(name: str) -> None:
    table, targets = pool(5)
    combined = load("method", params(name)).combine(fit(params(name), table, targets), table)
    assert mean_log_loss(combined, targets) < min(mean_log_loss(t, targets) for t in table)


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_members_does_not_matter(name: str) -> None:
    table, targets = pool(4)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        fit(params(name), table[order], targets), fit(params(name), table, targets)[order]
    )


def test_greedy_gives_a_useless_member_no_weight() -> None:
    table, targets = pool(3)
    noise = log_probs(np.random.default_rng(9).normal(size=(1, 400, 5)) * 3)
    weights = fit(greedy.Params(name="greedy"), np.concatenate([table, noise]), targets)
    assert weights[3] == 0
    assert (weights[:3] > 0).all()


def naive_greedy(table: np.ndarray, targets: np.ndarray, num_rounds: int) -> np.ndarray:
    """Caruana's procedure as the paper tells it, over whole distributions."""
    probs, picked, best = np.exp(table), [], (np.inf, [])
    for _ in range(num_rounds):
        losses = [
            mean_log_loss(np.log(probs[[*picked, m]].mean(0)), targets) for m in range(len(table))
        ]
        picked.append(int(np.argmin(losses)))
        if min(losses) < best[0]:
            best = (min(losses), list(picked))
    return np.bincount(best[1], minlength=len(table)) / len(best[1])


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_the_procedure_of_the_paper(seed: int) -> None:
    table, targets = pool(6, size=80, seed=seed)
    weights = fit(greedy.Params(name="greedy", num_rounds=15), table, targets)
    np.testing.assert_allclose(weights, naive_greedy(table, targets, 15))


@given(st.integers(0, 10_000))
def test_mean_is_the_mean_of_probabilities(seed: int) -> None:
    table, _ = pool(3, size=10, seed=seed)
    weights = np.array([0.5, 0.0, 0.5])
    expected = np.log(np.exp(table[[0, 2]]).mean(0))
    np.testing.assert_allclose(mean.combine(weights, table), expected, atol=1e-12)


def test_choosing_is_on_samples_that_were_not_fitted() -> None:
    """Among many useless members, greedy's own log-loss flatters it; held-out log-loss does not."""
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, 60)
    table = log_probs(generator.normal(size=(200, 60, 2)))
    method = greedy.Params(name="greedy")
    weights = fit(method, table, targets)
    flattered = mean_log_loss(greedy.combine(weights, table), targets)
    honest = cross_validated(method, table, targets)
    assert flattered < np.log(2) < honest


def test_a_combiner_comes_back_from_json(tmp_path) -> None:
    table, _ = pool(3)
    combiner = Combiner("mean", {"a": 0.75, "b": 0.0, "c": 0.25})
    combiner.save(tmp_path / "mean.json")
    loaded = Combiner.load(tmp_path / "mean.json")
    named = dict(zip("abc", table, strict=True))
    assert loaded == combiner
    assert combiner.members == ["a", "c"]
    np.testing.assert_allclose(loaded.without_idle()(named), combiner(named))
