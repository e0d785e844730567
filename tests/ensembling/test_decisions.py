"""Decisions: thresholds, costs and intervals, compared with an exhaustive search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from pipeline.ensembling import decisions
from pipeline.ensembling.truth import Truth

SCORES = {
    "f1": metrics.f1_score,
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
}
DEFAULT = {"goal": "f1", "positive": 1, "costs": None, "coverage": 0.9}


def threshold(probs: np.ndarray, is_true: np.ndarray, goal) -> float:
    return decisions.threshold(probs, is_true, np.ones(len(probs)), goal)


def choose(kind, predictions: np.ndarray, targets: np.ndarray, **settings) -> decisions.Decision:
    return decisions.choose(kind, predictions, Truth.plain(targets), **settings)


@pytest.mark.parametrize("goal", SCORES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_a_sample_of_weight_two_counts_as_two(goal: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probs, is_true, weights = rng.random(30), np.arange(30) < 12, rng.integers(1, 4, 30)
    rows = np.repeat(np.arange(30), weights)
    assert decisions.threshold(probs, is_true, weights / weights.mean(), goal) == pytest.approx(
        threshold(probs[rows], is_true[rows], goal)
    )


@pytest.mark.parametrize("goal", SCORES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 30))
def test_no_threshold_is_better(goal: str, seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.integers(0, 10, size) / 9  # with ties, and both ends
    truth = rng.random(size) < 0.5
    if truth.all() or not truth.any():
        assert threshold(probs, truth, goal) == 0.5
        return
    found = SCORES[goal](truth, probs >= threshold(probs, truth, goal))
    best = max(SCORES[goal](truth, probs >= at) for at in np.arange(-0.05, 1.1, 1 / 18))
    assert found >= best - 1e-12


def test_half_is_half_and_so_is_what_cannot_be_fitted() -> None:
    probs = np.array([0.1, 0.2, 0.3, 0.9])
    assert threshold(probs, np.array([False, True, True, True]), "half") == 0.5
    assert threshold(probs, np.ones(4, bool), "f1") == 0.5


def test_the_threshold_nearest_to_a_half_is_taken() -> None:
    probs = np.array([0.1, 0.2, 0.6, 0.9])
    assert threshold(probs, np.array([False, False, True, True]), "f1") == pytest.approx(0.4)


def test_two_classes_are_told_apart_by_the_threshold() -> None:
    log_probs = np.log([[0.7, 0.3], [0.8, 0.2], [0.95, 0.05]])
    decision = choose("classes", log_probs, np.array([1, 1, 0]), **DEFAULT)
    assert decision(log_probs).tolist() == [1, 1, 0]
    assert 0.05 < decision.thresholds[0] <= 0.2


def test_each_label_has_its_own_threshold() -> None:
    present = np.array([[0.3, 0.9], [0.2, 0.7], [0.1, 0.8]])
    truth = np.array([[True, True], [True, False], [False, False]])
    log_probs = np.log(np.stack([1 - present, present], axis=-1))
    decision = choose("labels", log_probs, truth, **DEFAULT)
    np.testing.assert_array_equal(decision(log_probs), truth)


def test_many_classes_take_the_most_probable() -> None:
    log_probs = np.log([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]])
    assert choose("classes", log_probs, np.array([0, 0]), **DEFAULT)(log_probs).tolist() == [1, 0]


def test_costs_decide_by_what_is_expected() -> None:
    """Missing the second class costs ten times as much, so a probability of 0.2 is enough."""
    costs = ((0.0, 1.0), (10.0, 0.0))
    decision = choose("classes", np.zeros((1, 2)), np.array([0]), **{**DEFAULT, "costs": costs})
    assert decision(np.log([[0.8, 0.2], [0.95, 0.05]])).tolist() == [1, 0]


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_intervals_hold_what_they_promise_on_new_samples(coverage: float) -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_t(3, size=(4000, 2)) * [1, 5]
    decision = choose(
        "values", np.zeros((2000, 2)), noise[:2000], **{**DEFAULT, "coverage": coverage}
    )
    held = (np.abs(noise[2000:]) <= decision.half_widths).mean(axis=0)
    np.testing.assert_allclose(held, coverage, atol=0.03)
    np.testing.assert_array_equal(decision(noise), noise)


def test_a_few_samples_give_the_widest_interval() -> None:
    errors = np.array([[1.0], [-4.0], [2.0]])
    assert choose("values", np.zeros((3, 1)), errors, **DEFAULT).half_widths == (4.0,)


@pytest.mark.parametrize("goal", [*SCORES, "half"])
@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 40))
def test_other_names_of_the_classes_change_no_decision(goal: str, seed: int, size: int) -> None:
    """The names only decide which class comes first."""
    rng = np.random.default_rng(seed)
    probs, targets = rng.random(size), (rng.random(size) < 0.3).astype(int)
    log_probs = np.log(np.stack([1 - probs, probs], axis=1))
    if targets.mean() == 0.5:  # neither outcome is the more frequent: either rule is as good
        return
    positive = 1 if goal == "f1" else None
    own = {**DEFAULT, "goal": goal, "positive": positive}
    decided = choose("classes", log_probs, targets, **own)(log_probs)
    swapped = {**own, "positive": None if positive is None else 0}
    again = choose("classes", log_probs[:, ::-1], 1 - targets, **swapped)(log_probs[:, ::-1])
    np.testing.assert_array_equal(decided, 1 - again)


def test_a_rare_noisy_class_is_found_under_either_name() -> None:
    """30 noisy defects among 200: their F1 alone was optimised where they came second."""
    rng = np.random.default_rng(0)
    is_defect = np.arange(200) < 30
    odds = np.where(is_defect, 0.5, -1.5) + rng.normal(size=200)
    log_probs = -np.logaddexp(0, np.stack([odds, -odds], axis=1))
    second = choose("classes", log_probs, is_defect.astype(int), **DEFAULT)(log_probs) == 1
    first = choose(
        "classes", log_probs[:, ::-1], 1 - is_defect.astype(int), **{**DEFAULT, "positive": 0}
    )(log_probs[:, ::-1])
    np.testing.assert_array_equal(second, first == 0)
    assert metrics.f1_score(is_defect, second) > 0.5
