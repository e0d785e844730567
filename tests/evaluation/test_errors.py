"""The mistakes that are listed, by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from pipeline.evaluation.errors import MOST, confusions, misses, mistakes
from pipeline.evaluation.outputs import SystemOutput
from tests.evaluation.systems import NAMES, make_evaluator

IDS = np.array(["p", "q", "r", "s"])


def test_the_surest_mistake_comes_first() -> None:
    probs = np.array([[0.6, 0.3, 0.1], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
    outputs = SystemOutput(np.log(probs), np.array([0, 1, 2, 2]))
    found = mistakes(outputs, np.array([1, 0, 2, 0]), IDS, NAMES)
    assert [m[:3] for m in found] == [("q", "ant", "bee"), ("p", "bee", "ant"), ("s", "ant", "cat")]
    assert found[0][3:] == pytest.approx((0.9, 0.05))


def test_an_answer_that_is_not_the_likeliest_is_judged_as_given() -> None:
    """Costs may ask for the safer answer; its probability is what counts."""
    outputs = SystemOutput(np.log(np.array([[0.7, 0.3]])), np.array([1]))
    (mistake,) = mistakes(outputs, np.array([0]), IDS[:1], NAMES[:2])
    assert mistake[1:] == ("ant", "bee", pytest.approx(0.3), pytest.approx(0.7))


def test_labels_are_wrong_one_by_one() -> None:
    present = np.array([[0.9, 0.2], [0.4, 0.8]])
    log_probs = np.log(np.stack([1 - present, present], axis=-1))
    outputs = SystemOutput(log_probs, present > 0.5)
    targets = np.array([[False, False], [True, True]])
    assert [m[:3] for m in mistakes(outputs, targets, IDS[:2], ("sun", "sea"))] == [
        ("p", "no sun", "sun"),
        ("q", "sun", "no sun"),
    ]


def test_values_are_ordered_by_their_error_in_deviations() -> None:
    values, targets = np.array([[1.0, 100.0], [3.0, 130.0]]), np.array([[1.0, 110.0], [2.0, 100.0]])
    found = misses(values, targets, (0.5, 10.0), IDS[:2], ("age", "mass"))
    assert found[0] == ("q", "mass", 100.0, 130.0, 3.0)
    assert [(m.id, m.value, m.error) for m in found[1:3]] == [("q", "age", 2), ("p", "mass", -1)]


def test_the_list_is_bounded() -> None:
    outputs = SystemOutput(np.log(np.full((1000, 2), 0.5)), np.ones(1000, int))
    found = mistakes(outputs, np.zeros(1000, int), np.arange(1000), NAMES[:2])
    assert len(found) == MOST


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_confusions_are_the_confusion_matrix_off_its_diagonal(seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets, decided = generator.integers(0, 3, (2, 30))
    matrix = confusion_matrix(targets, decided, labels=[0, 1, 2])
    found = confusions(make_evaluator("classes", targets, num_draws=20), decided)
    pairs = {(NAMES.index(pair.true), NAMES.index(pair.predicted)): pair for pair in found}
    assert set(pairs) == {(i, j) for i in range(3) for j in range(3) if i != j and matrix[i, j]}
    for (i, j), pair in pairs.items():
        assert (pair.count, pair.num_true) == (matrix[i, j], matrix[i].sum())
        assert pair.share.value == pytest.approx(matrix[i, j] / matrix[i].sum())
    assert [pair.count for pair in found] == sorted((p.count for p in found), reverse=True)


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_confusions_of_labels_pair_a_missed_with_a_wrong_one(seed: int) -> None:
    targets, decided = np.random.default_rng(seed).integers(0, 2, (2, 20, 3)).astype(bool)
    made = confusions(make_evaluator("labels", targets, num_draws=20), decided)
    found = {(pair.true, pair.predicted): pair.count for pair in made}
    missed, wrong = targets & ~decided, decided & ~targets
    for i, true in enumerate(NAMES):
        for j, predicted in enumerate(NAMES):
            assert found.get((true, predicted), 0) == sum(missed[:, i] & wrong[:, j])
