"""Diversity against the formulas, worked by hand and by numpy."""

import numpy as np
import pytest

from pipeline.evaluation.diversity import diversity
from pipeline.evaluation.outputs import SystemOutput
from tests.evaluation.systems import KINDS, SCALE, make_evaluator, make_system, make_targets

STD = SCALE[1]


def of_cells(both: int, first: int, second: int, none: int) -> dict[str, float]:
    """Two members that are right on so many samples; where both are wrong they agree."""
    targets = np.zeros(both + first + second + none, int)
    a = np.repeat([0, 0, 1, 1], [both, first, second, none])
    b = np.repeat([0, 1, 0, 1], [both, first, second, none])
    probs = np.zeros((len(targets), 3))
    evaluator = make_evaluator("classes", targets)
    (found,) = diversity(evaluator, {"a": SystemOutput(probs, a), "b": SystemOutput(probs, b)}, ())
    return {name: estimate.value for name, estimate in found.figures.items()}


def test_a_table_by_hand() -> None:
    """Kuncheva and Whitaker, equations 1, 3 and 4."""
    found = of_cells(both=60, first=15, second=5, none=20)
    assert found["disagreement"] == pytest.approx(0.2)
    assert found["q"] == pytest.approx((60 * 20 - 15 * 5) / (60 * 20 + 15 * 5))
    spread = np.sqrt(75 * 25 * 65 * 35)
    assert found["error_correlation"] == pytest.approx((60 * 20 - 15 * 5) / spread)


def test_the_ends_of_the_scales() -> None:
    alike = of_cells(both=30, first=0, second=0, none=10)
    assert alike == pytest.approx({"disagreement": 0, "error_correlation": 1, "q": 1})
    opposite = of_cells(both=0, first=20, second=20, none=0)
    assert opposite == pytest.approx({"disagreement": 1, "error_correlation": -1, "q": -1})
    unrelated = of_cells(both=36, first=12, second=12, none=4)
    assert unrelated == pytest.approx({"disagreement": 24 / 64, "error_correlation": 0, "q": 0})


def test_what_is_not_defined_is_left_out() -> None:
    """The correlation with a member that makes no error."""
    assert set(of_cells(both=30, first=10, second=0, none=0)) == {"disagreement"}


def test_two_wrong_answers_that_differ_are_a_disagreement() -> None:
    targets, probs = np.zeros(10, int), np.zeros((10, 3))
    members = {"a": SystemOutput(probs, np.full(10, 1)), "b": SystemOutput(probs, np.full(10, 2))}
    (found,) = diversity(make_evaluator("classes", targets), members, ())
    assert found.figures["disagreement"].value == 1


def test_labels_count_one_by_one() -> None:
    targets = make_targets("labels", 200)
    members = {name: make_system("labels", targets, 1.0, seed) for seed, name in enumerate("ab")}
    (found,) = diversity(make_evaluator("labels", targets), members, ())
    wrong = [(outputs.decided != targets).reshape(-1) for outputs in members.values()]
    assert found.figures["error_correlation"].value == pytest.approx(np.corrcoef(wrong)[0, 1])
    assert found.figures["disagreement"].value == pytest.approx((wrong[0] != wrong[1]).mean())


def test_values_are_compared_by_their_errors() -> None:
    targets = make_targets("values", 300)
    members = {name: make_system("values", targets, 2.0, seed) for seed, name in enumerate("ab")}
    (found,) = diversity(make_evaluator("values", targets), members, STD)
    a, b = ((outputs.decided - targets) / STD for outputs in members.values())
    expected = np.mean([np.corrcoef(a[:, t], b[:, t])[0, 1] for t in range(3)])
    assert found.figures["error_correlation"].value == pytest.approx(expected)
    apart = np.sqrt(((a - b) ** 2).mean(axis=0)).mean()
    assert found.figures["disagreement"].value == pytest.approx(apart)


@pytest.mark.parametrize("kind", KINDS)
def test_each_pair_stands_once_with_intervals(kind) -> None:
    targets = make_targets(kind, 100)
    members = {name: make_system(kind, targets, 1.0, seed) for seed, name in enumerate("abc")}
    found = diversity(make_evaluator(kind, targets), members, STD)
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair in found:
        for estimate in pair.figures.values():
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.num_samples == 100
