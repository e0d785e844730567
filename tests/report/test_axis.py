"""Axes, plots and bars: where things stand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.intervals import Estimate
from pipeline.report.axis import Axis, counting, naming, spanning
from pipeline.report.bars import scale
from pipeline.report.plot import BOTTOM, LEFT, LINE_PX, RIGHT, TOP, Mark, Plot

quick = settings(deadline=None, max_examples=30)
amounts = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda v: round(v, 6))


@quick
@given(st.lists(amounts, min_size=1, max_size=20))
def test_all_values_find_room_in_their_order(values: list[float]) -> None:
    axis = spanning("x", values)
    places = [axis.place(v) for v in sorted(values)]
    assert places == sorted(places)
    assert places[0] > 0 and places[-1] < 1
    ticks = axis.ticks
    assert 2 <= len(ticks) <= 7
    assert [t.place for t in ticks] == sorted(t.place for t in ticks)
    assert len({t.text for t in ticks}) == len(ticks) or min(map(abs, values)) > 1e3


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (0.87, 0.98, ["0.875", "0.9", "0.925", "0.95", "0.975"]),
        (-5.0, 5.0, ["−4", "−2", "0", "2", "4"]),
        (0.0, 100_000.0, ["0", "20 k", "40 k", "60 k", "80 k", "100 k"]),
    ],
)
def test_ticks_are_round(low: float, high: float, texts: list[str]) -> None:
    assert [tick.text for tick in Axis("x", low, high).ticks] == texts


def test_a_logarithmic_axis_has_powers_of_ten_at_equal_steps() -> None:
    ticks = Axis("x", 0.001, 10.0, is_log=True).ticks
    assert [tick.text for tick in ticks] == ["0.001", "0.01", "0.1", "1", "10"]
    np.testing.assert_allclose([tick.place for tick in ticks], np.linspace(0, 1, 5))


@quick
@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e6))
def test_a_logarithmic_axis_has_ticks_whatever_it_spans(low: float, ratio: float) -> None:
    axis = spanning("x", [low, low * ratio], is_log=True)
    assert 2 <= len(axis.ticks) <= 7
    assert 0 < axis.place(low) < axis.place(low * ratio) < 1


def test_names_stand_at_their_places() -> None:
    assert [(t.text, t.place) for t in naming("x", ["relu", "gelu"]).ticks] == [
        ("relu", 0.25),
        ("gelu", 0.75),
    ]


def test_a_plot_has_its_corners_at_the_ends_of_its_axes() -> None:
    plot = Plot("n", "t", "m", Axis("x", 0.0, 2.0), Axis("y", -1.0, 1.0))
    assert plot.at(0.0, -1.0) == (LEFT, BOTTOM)
    assert plot.at(2.0, 1.0) == (RIGHT, TOP)
    assert plot.path([(0.0, -1.0), (2.0, 1.0)]) == f"M{LEFT} {BOTTOM}L{RIGHT} {TOP}"


@settings(deadline=None, max_examples=10)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_names_of_marks_stand_inside_and_not_upon_each_other(
    places: list[tuple[float, float]],
) -> None:
    marks = [Mark(x, y, "", "member", f"member_{i}") for i, (x, y) in enumerate(places)]
    labels = Plot("n", "t", "m", Axis("x", 0.0, 1.0), Axis("y", 0.0, 1.0), marks).labels
    assert sorted(label.text for label in labels) == sorted(mark.label for mark in marks)
    for label in labels:
        right = label.x if label.anchor == "end" else label.x + 6 * len(label.text)
        assert right <= RIGHT
    for side in ("start", "end"):
        own = [label for label in labels if label.anchor == side]
        for i, first in enumerate(own):
            for second in own[:i]:
                is_apart = abs(first.x - second.x) > 30 or abs(first.y - second.y) >= LINE_PX - 0.1
                assert is_apart


def test_bars_share_a_scale() -> None:
    found = [Estimate(0.5, 0.4, 0.6, 10), Estimate(1.0, 0.9, 1.2, 10)]
    common = scale("x", found, marks_zero=True)
    first, second = (common.bar(own) for own in found)
    assert first and second and first.zero is not None
    assert first.zero == second.zero < first.low < first.value < first.high < second.low
    per_unit = (second.value - first.value) / 0.5
    assert first.value - first.zero == pytest.approx(0.5 * per_unit, abs=0.02)


def test_what_is_not_a_number_has_no_bar() -> None:
    nan = float("nan")
    assert scale("x", [Estimate(1.0, 0.5, 1.5, 3)]).bar(Estimate(nan, nan, nan, 3)) is None


@pytest.mark.parametrize("most", [2, 3, 7, 30])
def test_counts_have_ticks_at_whole_numbers(most: int) -> None:
    ticks = [
        tick.text for tick in counting("members", [float(n) for n in range(1, most + 1)]).ticks
    ]
    assert ticks
    assert all(text.isdigit() for text in ticks)
