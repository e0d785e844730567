"""Decisions: thresholds, costs and intervals, compared with an exhaustive search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from pipeline.core.errors import UserError
from pipeline.ensembling.decisions import check_costs, choose, threshold

SCORES = {
    "f1": metrics.f1_score,
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
}
DEFAULT = {"goal": "f1", "costs": None, "coverage": 0.9}


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


@pytest.mark.parametrize(
    ("costs", "kind", "said"),
    [
        (
            ((0.0, 1.0),),
            "classes",
            "got 1 rows of 2 costs; allowed 3 rows of 3, in the order a, b, c",
        ),
        (((0.0, 1.0, 1.0), (1.0,), (1.0, 1.0, 0.0)), "classes", "got 3 rows of 1 or 3 costs"),
        (((0.0,),), "values", "allowed null where samples have no single class"),
    ],
)
def test_wrong_costs_are_refused(costs, kind, said: str) -> None:
    with pytest.raises(UserError, match=r"ensemble\.costs") as refused:
        check_costs(costs, kind, ["a", "b", "c"])
    assert said in str(refused.value)


def test_fitting_costs_are_taken() -> None:
    check_costs(((0.0, 1.0), (1.0, 0.0)), "classes", ["a", "b"])
    check_costs(None, "values", ["a"])
