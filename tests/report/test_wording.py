"""Numbers as one reads them."""

import pytest

from pipeline.evaluation.intervals import Estimate
from pipeline.report import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5000"),
        (-0.01234, "−0.0123"),
        (0.0, "0.0000"),
        (-0.0, "0.0000"),
        (0.00001234, "1.234e−05"),
        (12.3456, "12.35"),
        (123456.0, "1.235e+05"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_figures(value: float, text: str) -> None:
    assert wording.figure(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (12_345, "12.3 k"), (123_456, "123 k"), (1_000_000, "1.00 M"),
     (2.5e9, "2.50 G"), (7e15, "7000 T")],
)  # fmt: skip
def test_amounts_have_three_digits(value: float, text: str) -> None:
    assert wording.amount(value) == text


def test_small_p_values_are_not_told_exactly() -> None:
    assert wording.p_text(0.0342) == "p = 0.034"
    assert wording.p_text(0.00042) == "p < 0.001"


def test_an_interval_has_its_signs() -> None:
    assert wording.interval(Estimate(0.1, -0.2, 0.3, 5)) == "[−0.2000, 0.3000]"
    assert wording.signed(0.25) == "+0.2500"
    assert [wording.signed(points, 2) for points in (14.3249, 1.5)] == ["+14.32", "+1.50"]
