"""The learning-rate finder on bowls, whose largest stable rate is 2 over the steepest curvature."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.lr_finder.sweep import Point, Suggestion, chart, suggest, sweep

CURVATURES = st.lists(st.floats(0.05, 20), min_size=1, max_size=5)


def descent(curvatures: list[float]) -> Callable[[float], float]:
    """Steps of gradient descent on ½ Σ a w², from w = 1."""
    weights = np.ones(len(curvatures))

    def step(lr: float) -> float:
        nonlocal weights
        loss = 0.5 * np.dot(curvatures, weights**2)
        weights = weights * (1 - lr * np.array(curvatures))
        return float(loss)

    return step


@given(curvatures=CURVATURES)
def test_the_suggestion_is_stable_and_not_timid(curvatures: list[float]) -> None:
    limit = 2 / max(curvatures)
    found = suggest(sweep(descent(curvatures), low=1e-5, high=1e3))
    for lr in found:
        assert limit / 300 < lr < limit


@given(curvatures=CURVATURES)
def test_it_stops_soon_after_the_limit(curvatures: list[float]) -> None:
    limit = 2 / max(curvatures)
    points = sweep(descent(curvatures), low=1e-5, high=1e3)
    assert limit < points[-1].lr < 100 * limit
    assert points[-1].loss <= 4 * min(point.loss for point in points)


@given(scale=st.sampled_from([1e-3, 0.1, 10.0]))
def test_steeper_bowls_want_proportionally_lower_rates(scale: float) -> None:
    plain = suggest(sweep(descent([1.0, 0.1]), low=1e-4, high=1e2))
    steep = suggest(sweep(descent([scale, 0.1 * scale]), low=1e-4 / scale, high=1e2 / scale))
    assert steep == pytest.approx([lr / scale for lr in plain])


def test_rates_rise_by_one_multiple_and_the_loss_is_a_running_mean() -> None:
    losses = iter([3.0, 1.0, 2.0, 5.0])
    points = sweep(lambda _: next(losses), low=0.001, high=1.0, num_steps=4)
    assert [point.lr for point in points] == pytest.approx([0.001, 0.01, 0.1, 1.0])
    second = (0.9 * 3 + 1) / 1.9
    third = (0.81 * 3 + 0.9 * 1 + 2) / 2.71
    assert [point.loss for point in points[:3]] == pytest.approx([3, second, third])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_sweep(bad: float) -> None:
    losses = iter([1.0, 1.0, bad])
    assert len(sweep(lambda _: next(losses))) == 2


def test_the_suggestion_is_where_a_known_curve_falls_fastest() -> None:
    lrs = np.geomspace(1e-6, 1, 121)
    decades = np.log10(lrs)
    losses = 2 - np.tanh(2 * (decades + 3)) + 3 * np.maximum(0, decades + 1)
    found = suggest([Point(*pair) for pair in zip(lrs, losses, strict=True)])
    assert found.steepest == pytest.approx(1e-3)
    assert found.tenth_of_best == pytest.approx(1e-2)


def test_a_fall_after_a_divergence_is_not_followed() -> None:
    """With batch norm a loss may jump and settle: from 5 to 2.5, faster than it had fallen to 1."""
    losses = [*np.linspace(2, 1, 60), 5.0, 4.0, 3.0, *[2.5] * 17]
    lrs = np.geomspace(1e-8, 10, len(losses))
    found = suggest([Point(*pair) for pair in zip(lrs, losses, strict=True)])
    assert found.steepest <= lrs[59]
    assert found.tenth_of_best == pytest.approx(lrs[59] / 10)


def test_a_chart_shows_rates_losses_and_suggestions() -> None:
    losses = [3.0, *np.linspace(2, 1, 15), 5.0, 5.0]
    points = [Point(10.0 ** (i - 17), loss) for i, loss in enumerate(losses)]
    heading, *lines = chart(points, Suggestion(steepest=1e-9, tenth_of_best=1.2e-5)).splitlines()
    assert heading.split() == ["lr", "loss"]
    assert [line.split()[:2] for line in lines] == [
        ["1.0e-17", "3"],
        ["1.0e-13", "1.786"],
        ["1.0e-09", "1.5"],
        ["1.0e-05", "1.214"],
        ["1.0e-01", "5"],
    ]
    assert [line.count("█") for line in lines] == [40, 16, 10, 4, 40]  # of 1 to 3
    assert lines[2].endswith("← steepest 1e-09")
    assert lines[3].endswith("← tenth_of_best 1.2e-05")


def test_what_happens_at_the_ends_is_not_followed() -> None:
    lrs = np.geomspace(1e-6, 1, 61)
    losses = np.linspace(2, 1, 61)
    losses[:5] += [900, 700, 500, 300, 100]
    losses[-1] = -100
    found = suggest([Point(*pair) for pair in zip(lrs, losses, strict=True)])
    assert lrs[10] <= found.steepest < lrs[-2]


def test_a_loss_that_never_falls_is_refused() -> None:
    points = [Point(lr, 1.0 + i) for i, lr in enumerate(np.geomspace(1e-6, 1, 50).tolist())]
    with pytest.raises(UserError, match="the loss does not fall anywhere from"):
        suggest(points)


def test_a_sweep_that_ended_at_once_is_refused() -> None:
    with pytest.raises(UserError, match="got 2 finite losses; allowed 13 or more"):
        suggest([Point(0.1, 1.0), Point(0.2, 0.5)])
