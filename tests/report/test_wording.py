"""Numbers as one reads them."""

import pytest

from pipeline.report import wording


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.5, 4, "0.5000"),
        (-0.01234, 4, "−0.0123"),
        (0.0, 4, "0.0000"),
        (-0.0, 4, "0.0000"),
        (-0.00001, 4, "0.0000"),
        (0.00001234, 8, "0.00001234"),
        (12.3456, 2, "12.35"),
        (123456.0, 0, "123,456"),
        (float("nan"), 4, "–"),
        (float("inf"), 4, "–"),
    ],
)
def test_figures(value: float, digits: int, text: str) -> None:
    assert wording.figure(value, digits) == text


@pytest.mark.parametrize(
    ("values", "digits", "settings"),
    [
        ((-0.0213, 0.0003333), 4, 6),
        ((0.5, 9.99), 4, 2),
        ((12.3456, 0.1), 2, 3),
        ((123456.0, 1.0), 0, 0),
        ((0.0000123, 0.0), 8, 7),
        ((0.0, 0.2), 4, 1),
        ((0.00517634, 0.02), 4, 5),
        ((float("nan"), 1e-20), 9, 0),
        ((), 4, 0),
    ],
)
def test_a_column_has_as_many_decimals_as_its_numbers_need(
    values: tuple[float, ...], digits: int, settings: int
) -> None:
    assert wording.decimals(values) == digits
    assert wording.setting_decimals(values) == settings


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
    assert wording.interval((-0.2, 0.3)) == "[−0.2000, 0.3000]"
    assert wording.interval((-0.0213, 0.0003333)) == "[−0.0213, 0.0003]"
    assert wording.signed(0.00001) == "0.0000"
    assert wording.signed(0.25) == "+0.2500"
    assert [wording.signed(points, 2) for points in (14.3249, 1.5)] == ["+14.32", "+1.50"]


def test_metrics_have_the_names_that_readers_know() -> None:
    names = ("log_loss", "macro_f1", "roc_auc", "val_log_loss", "matthews", "r2")
    assert [wording.sentence(wording.words(name)) for name in names] == [
        "Log loss", "Macro F1", "ROC AUC", "Validation log loss", "Matthews correlation", "R²",
    ]  # fmt: skip


def test_a_sentence_has_a_capital_and_minus_signs() -> None:
    said = wording.sentence("over seeds: -1.37 [-3.25, +0.51], p = 0.1 (-2), one-sided 10-fold")
    assert said == "Over seeds: −1.37 [−3.25, +0.51], p = 0.1 (−2), one-sided 10-fold"
