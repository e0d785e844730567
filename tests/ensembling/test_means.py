"""Means, votes and ranks, compared with results by hand."""

import numpy as np
from scipy.stats import norm

from pipeline.ensembling.methods import bayesian, geometric, majority, mean, rank
from pipeline.ensembling.truth import Truth
from tests.ensembling.pools import pool

EQUAL = {"weights": np.array([0.5, 0.5])}


def test_the_mean_of_probabilities() -> None:
    table = np.log([[[0.9, 0.1]], [[0.3, 0.7]]])
    np.testing.assert_allclose(np.exp(mean.apply(EQUAL, table)), [[0.6, 0.4]])


def test_the_mean_stays_exact_where_probabilities_do_not() -> None:
    table = np.array([[[0.0, -900.0]], [[0.0, -1000.0]]])
    np.testing.assert_allclose(mean.apply(EQUAL, table), [[0.0, -900 - np.log(2)]])


def test_the_geometric_mean_is_that_of_odds() -> None:
    table = np.log([[[0.9, 0.1]], [[0.5, 0.5]]])
    np.testing.assert_allclose(np.exp(geometric.apply(EQUAL, table)), [[0.75, 0.25]])


def test_votes_are_counted_with_one_more_by_mean_probability() -> None:
    probs = np.array([[[0.4, 0.3, 0.3]], [[0.4, 0.5, 0.1]], [[0.34, 0.36, 0.3]]])
    expected = (np.array([1, 2, 0]) + probs.mean(axis=0)) / 4
    np.testing.assert_allclose(np.exp(majority.apply({}, np.log(probs))), expected)


def test_a_member_in_two_minds_splits_its_vote() -> None:
    probs = np.array([[[0.4, 0.4, 0.2]]])
    np.testing.assert_allclose(np.exp(majority.apply({}, np.log(probs))), [[0.45, 0.45, 0.1]])


def test_a_sure_member_does_not_outvote_two() -> None:
    table = np.log([[[0.001, 0.999]], [[0.51, 0.49]], [[0.51, 0.49]]])
    assert majority.apply({}, table).argmax() == 0
    assert mean.apply({"weights": np.full(3, 1 / 3)}, table).argmax() == 1


def test_a_tie_goes_to_the_higher_mean_probability() -> None:
    table = np.log([[[0.6, 0.4, 0.0001]], [[0.1, 0.9, 0.0001]]])
    assert majority.apply({}, table).argmax() == 1
    assert rank.apply({}, table).argmax() == 1


def test_ranks_are_points_with_one_more_by_mean_probability() -> None:
    probs = np.array([[[0.5, 0.3, 0.2]], [[0.1, 0.45, 0.45]]])
    expected = (np.array([2 + 0, 1 + 1.5, 0 + 1.5]) + probs.mean(axis=0)) / 7
    np.testing.assert_allclose(np.exp(rank.apply({}, np.log(probs))), expected)


def test_of_two_outcomes_samples_are_ranked_whatever_the_scale() -> None:
    """A member whose odds are distorted, in the same order, counts like the original."""
    rng = np.random.default_rng(0)
    odds = rng.normal(size=5000) * 2
    table = np.stack([odds, np.sign(odds) * odds**2 + 3])
    log_probs = -np.logaddexp(0, np.stack([table, -table], axis=-1))
    state = rank.fit(rank.Params(name="rank"), log_probs, Truth.plain(np.zeros(5000, int)))
    made = rank.apply(state, log_probs)
    np.testing.assert_allclose(made[:, 1] - made[:, 0], table.mean(axis=0), rtol=0.05, atol=0.05)


def test_of_values_the_middle_counts() -> None:
    for members, expected in (
        ([1, 2, 3, 100], 2.5),
        ([1, 2, 30], (1 + 4 * 2 + 30) / 6),
        ([1, 3], 2),
        (range(8), 3.5),
        ([0, 1, 2, 3, 4, 5, 600, 7], (2 + 3 + 4 + 5) / 4),
    ):
        values = np.array(members, float)[:, None, None]
        np.testing.assert_allclose(rank.apply_values({}, values), [[expected]])
    values = np.array([1.0, 2, 30])[:, None, None]
    np.testing.assert_allclose(majority.apply_values({}, values), [[2]])


def test_weights_are_likelihoods() -> None:
    table, targets = pool("classes", 3, 5)
    likelihoods = np.exp(table[:, np.arange(5), targets]).prod(axis=1)
    weights = bayesian.fit(bayesian.Params(name="bayesian"), table, Truth.plain(targets))["weights"]
    np.testing.assert_allclose(weights, likelihoods / likelihoods.sum())


def test_of_values_they_are_those_of_gaussian_errors() -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(3, 6, 2))
    targets = rng.normal(size=(6, 2))
    spread = np.sqrt((errors**2).mean(axis=1, keepdims=True))
    likelihoods = norm.pdf(errors, scale=spread).prod(axis=(1, 2))
    found = bayesian.fit_values(
        bayesian.Params(name="bayesian"), targets + errors, Truth.plain(targets)
    )
    np.testing.assert_allclose(found["weights"], likelihoods / likelihoods.sum())
