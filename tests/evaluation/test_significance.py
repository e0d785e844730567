"""P-values against published figures, scipy and their definitions; and the rates they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact, permutation_test, ttest_1samp

from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.significance import (
    fisher,
    holm,
    mcnemar,
    pairs,
    pseudo_values,
    student_t,
    two_sided,
    weaker,
)
from tests.evaluation.systems import make_evaluator, make_system, make_targets

NUM_REPEATS = 1000
FEW, MANY = 0.031, 0.071
"""Rejections at 5 %: a binomial band of three standard errors around the nominal rate."""

MEAN = Metric(lambda *_: ..., lambda sums, num: sums[:, 0] / num, higher_is_better=False)
ROOT = Metric(lambda *_: ..., lambda sums, num: np.sqrt(sums[:, 0] / num), higher_is_better=False)


def alone(num: int) -> np.ndarray:
    return np.arange(num)


def test_mcnemar_is_that_of_the_paper() -> None:
    """Bentur et al., 2009, as in Fagerland et al., 2013, tables 1 and 4."""
    assert mcnemar(np.array([1.0]), np.array([7.0])) == pytest.approx(0.039, abs=5e-4)


@given(st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_mcnemar_is_half_a_step_below_the_exact_test(first: int, second: int) -> None:
    """Half-way between the exact tests of so many on one side, and of more."""
    found, back = mcnemar(np.array([first, second], float), np.array([second, first], float))
    assert found == pytest.approx(back)
    fewer, either = min(first, second), first + second
    at_most = binomtest(fewer, either).pvalue if either else 1
    less = binomtest(fewer - 1, either).pvalue if fewer else 0
    assert found == pytest.approx(1 if first == second else (at_most + less) / 2)


@pytest.mark.parametrize(("inside", "rest"), [(1, 5), (6, 3), (8, 15)])
def test_fisher_is_half_a_step_below_the_exact_test(inside: int, rest: int) -> None:
    """Half-way between the exact tests of so many wrong inside, and of more."""
    for wrong in range(inside + 1):
        wrong_in_rest = rest // 2
        table = [[wrong, inside - wrong], [wrong_in_rest, rest - wrong_in_rest]]
        at_least = fisher_exact(table, "greater").pvalue
        more = 1 - fisher_exact(table, "less").pvalue
        found = fisher(np.array([wrong]), np.array([inside]), wrong + wrong_in_rest, inside + rest)
        assert found == pytest.approx((at_least + more) / 2)


def test_the_t_is_scipys() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, (40, 5))
    expected = ttest_1samp(values, 0)
    assert student_t(values) == pytest.approx(expected.statistic)
    assert two_sided(values) == pytest.approx(expected.pvalue)


def test_few_differences_show_no_more_than_their_signs_do() -> None:
    """Five of a thousand samples differ, all to one side: 2 × 0.5⁵ at best, as scipy counts it."""
    values = np.zeros(1000)
    values[:5] = [0.2, 0.3, 0.2, 0.5, 0.4]
    exact = permutation_test((values[:5],), np.mean, permutation_type="samples").pvalue
    assert two_sided(values) == pytest.approx(exact) == pytest.approx(1 / 16)
    assert two_sided(np.zeros(10)) == 1


@given(st.integers(0, 1000))
def test_pseudo_values_of_a_mean_are_the_samples(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(20, 1))
    assert pseudo_values(MEAN, values, alone(20), np.ones(20)) == pytest.approx(values[:, 0])


def test_pseudo_values_give_the_error_of_the_delta_method() -> None:
    """Of the root of a mean: its derivative times the error of the mean."""
    values = np.random.default_rng(0).exponential(size=(2000, 1))
    spread = pseudo_values(ROOT, values, alone(2000), np.ones(2000)).std()
    assert spread == pytest.approx(values.std() / 2 / np.sqrt(values.mean()), rel=0.01)


def test_pseudo_values_of_groups_are_the_groups() -> None:
    """Doubling every sample within its group shows nothing new."""
    values, groups = np.random.default_rng(0).normal(size=(30, 1)), np.arange(30) // 3
    once = pseudo_values(MEAN, values, groups, np.ones(30))
    assert once == pytest.approx(values.reshape(10, 3).mean(axis=1))
    twice = pseudo_values(MEAN, np.repeat(values, 2, axis=0), np.repeat(groups, 2), np.ones(60))
    assert twice == pytest.approx(once)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_its_definition(given_p: list[float]) -> None:
    p = np.array(given_p)
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= 1).all()
    for level in (0.01, 0.05, 0.5):
        num_rejected = 0
        for own in np.sort(p):  # step down until one is not rejected
            if own * (len(p) - num_rejected) >= level:
                break
            num_rejected += 1
        assert (corrected < level).sum() == num_rejected


def test_holm_by_hand() -> None:
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])


def test_equal_systems_do_not_differ() -> None:
    for kind in ("classes", "labels", "values"):
        targets = make_targets(kind, 50)
        evaluator = make_evaluator(kind, targets)
        table = evaluator.table(make_system(kind, targets, 1.0, seed=1))
        p = pairs(
            evaluator.headline_metric, np.stack([table, table]), evaluator.groups, evaluator.weights
        )
        assert p.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
def test_a_better_system_is_shown_and_the_order_does_not_matter(kind) -> None:
    targets = make_targets(kind, 400)
    evaluator = make_evaluator(kind, targets)
    tables = np.stack([
        evaluator.table(make_system(kind, targets, skill, seed)) for seed, skill in
        enumerate((1.0, 1.0, 4.0))
    ])  # fmt: skip
    p = pairs(evaluator.headline_metric, tables, evaluator.groups, evaluator.weights)
    assert p == pytest.approx(p.T)
    assert p[0, 2] < 1e-6
    assert p[0, 1] > 1e-3


def rejections(p: np.ndarray) -> float:
    return float((p < 0.05).mean())


@pytest.mark.parametrize("accuracy", [0.6, 0.95])
def test_two_systems_that_are_equally_good_differ_at_the_nominal_rate(accuracy: float) -> None:
    """Where each sample is right or wrong."""
    right = (np.random.default_rng(0).random((NUM_REPEATS, 2, 300)) < accuracy).astype(float)
    only_first = (right[:, 0] * (1 - right[:, 1])).sum(axis=1)
    only_second = (right[:, 1] * (1 - right[:, 0])).sum(axis=1)
    assert FEW < rejections(mcnemar(only_first, only_second)) < MANY


@pytest.mark.parametrize("size", [30, 300])
def test_losses_that_are_equally_large_differ_at_the_nominal_rate(size: int) -> None:
    """Skewed ones, as log-losses are, which two systems share in part."""
    generator = np.random.default_rng(0)
    own, other = generator.lognormal(sigma=1.0, size=(2, size, NUM_REPEATS))
    assert rejections(two_sided(own - other)) < MANY
    errors = generator.normal(size=(2, size, NUM_REPEATS)) + generator.normal(size=NUM_REPEATS)
    assert FEW < rejections(two_sided(errors[0] - errors[1])) < MANY


def test_shares_of_labels_differ_at_the_nominal_rate_however_few_differ() -> None:
    for share in (0.001, 0.01, 0.1):
        generator = np.random.default_rng(0)
        changed = generator.random((500, NUM_REPEATS)) < share
        differences = changed * generator.choice([-1, 1], changed.shape) / 3
        assert rejections(two_sided(differences)) < MANY


def test_grouped_samples_differ_at_the_nominal_rate() -> None:
    """Ten copies of each sample: to take them for independent would reject half of the time."""
    generator, groups = np.random.default_rng(0), np.repeat(np.arange(40), 10)
    p = []
    for _ in range(NUM_REPEATS):
        tables = np.repeat(generator.integers(0, 2, (2, 40, 1)), 10, axis=1).astype(float)
        p.append(pairs(MEAN, tables, groups, np.ones(len(groups)))[0, 1])
    assert FEW < rejections(np.array(p)) < MANY


@pytest.mark.parametrize("share_wrong", [0.05, 0.5])
def test_a_part_that_is_as_good_as_the_rest_is_weaker_at_the_nominal_rate(share_wrong) -> None:
    """The parts of one set of samples, drawn anew each time."""
    generator = np.random.default_rng(0)
    wrong = (np.arange(1000) < share_wrong * 1000)[:, None].astype(float)
    inside = generator.random((NUM_REPEATS, 1000)) < 0.2
    assert FEW < rejections(weaker(MEAN, wrong, inside, alone(1000), np.ones(1000))) < MANY


def test_so_does_a_part_with_losses_as_large_as_those_of_the_rest() -> None:
    generator = np.random.default_rng(0)
    losses, inside = generator.exponential(size=(200, 1)), generator.random((300, 200)) < 0.2
    assert (
        rejections(weaker(MEAN, losses, inside, alone(200), np.ones(200))) < 0.09
    )  # of 300: a wider band


def test_a_weak_part_is_found_whatever_direction_is_better() -> None:
    inside = np.arange(200) < 40
    both = np.stack([inside, ~inside])
    wrong = (np.arange(200) % 4 == 0) | (inside & (np.arange(200) % 2 == 0))
    higher = Metric(MEAN.statistics, MEAN.value, higher_is_better=True)
    for metric, table in ((MEAN, wrong), (higher, ~wrong)):
        p = weaker(metric, table[:, None].astype(float), both, alone(200), np.ones(200))
        assert p[0] < 0.01
        assert p[1] > 0.5
        smooth = table[:, None] + np.linspace(0, 0.1, 200)[:, None]
        p = weaker(metric, smooth, both, alone(200), np.ones(200))
        assert p[0] < 0.02
        assert p[1] > 0.5
