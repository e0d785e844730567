"""What preprocessing says of the splits before anything is trained."""

import pytest

from pipeline.core.artifacts import Card
from pipeline.preprocessing.audit import FEW_IN_VAL, few_line


def card(**counts: dict[str, int]) -> Card:
    return Card(("a", "b"), (8, 8, 1), "crop", 1, counts, (0.5,), (0.2,), "data")


def test_few_samples_that_decide_are_named() -> None:
    said = few_line(card(train={"a": 90, "b": 3}, val={"a": FEW_IN_VAL, "b": 2}))
    assert said.startswith("val holds only 2 of b: ensembles, calibration and thresholds are")
    assert "data.num_folds" in said


@pytest.mark.parametrize("val", [{}, {"val": {"a": FEW_IN_VAL, "b": FEW_IN_VAL}}])
def test_enough_or_folds_are_no_news(val: dict[str, dict[str, int]]) -> None:
    assert few_line(card(train={"a": 3, "b": 3}, **val)) == ""
