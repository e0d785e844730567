"""Schedules against closed forms and against torch's schedulers."""

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import lr_scheduler

from pipeline.config import optimisation as settings
from pipeline.training.schedules import factor

MILESTONES = settings.StepDecay(milestones_epochs=(2.0, 3.5))
ALL = [MILESTONES if s is settings.StepDecay else s() for s in get_args(settings.Schedule)]
STEPS, EPOCHS = 7, 5


def whole(chosen: settings.Schedule, steps: int = STEPS, epochs: int = EPOCHS) -> list[float]:
    return [
        factor(chosen, step, steps_per_epoch=steps, num_epochs=epochs)
        for step in range(steps * epochs)
    ]


def at(chosen: settings.Schedule, history: list[float]) -> float:
    return factor(chosen, 10**6, steps_per_epoch=1, num_epochs=1, history=history)


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)


def of_torch(scheduler: lr_scheduler.LRScheduler, num_steps: int) -> list[float]:
    rates = []
    for _ in range(num_steps):
        rates.append(float(scheduler.get_last_lr()[0]))
        scheduler.optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("chosen", ALL, ids=str)
@given(steps=st.integers(1, 30), epochs=st.integers(1, 12), warmup=st.floats(0, 4))
def test_it_rises_once_then_falls_within_zero_and_one(
    chosen: settings.Schedule, steps: int, epochs: int, warmup: float
) -> None:
    chosen = chosen.model_copy(update={"warmup_epochs": warmup})
    factors = whole(chosen, steps, epochs)
    assert all(0 < f <= 1 + 1e-12 for f in factors)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    if warmup < epochs:
        assert max(factors) > 0.9 or steps * epochs < 20


@pytest.mark.parametrize("chosen", [s for s in ALL if s.name != "one_cycle"], ids=str)
def test_warm_up_is_linear_and_ends_at_one(chosen: settings.Schedule) -> None:
    chosen = chosen.model_copy(update={"warmup_epochs": 1.5})
    rising = whole(chosen, steps=4)[:7]
    assert rising == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1, 1])


def test_constant_stays() -> None:
    assert set(whole(settings.Constant(warmup_epochs=0.0))) == {1.0}


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_is_that_of_torch(floor: float) -> None:
    chosen = settings.Cosine(warmup_epochs=0.0, floor=floor)
    reference = lr_scheduler.CosineAnnealingLR(optimizer(), STEPS * EPOCHS, eta_min=floor)
    assert whole(chosen) == pytest.approx(of_torch(reference, STEPS * EPOCHS))
    assert factor(chosen, STEPS * EPOCHS, steps_per_epoch=STEPS, num_epochs=EPOCHS) == floor


def test_cosine_begins_when_the_warm_up_ends() -> None:
    warmed = whole(settings.Cosine(warmup_epochs=2.0))
    assert warmed[2 * STEPS :] == pytest.approx(whole(settings.Cosine(warmup_epochs=0.0), epochs=3))


def test_step_is_that_of_torch() -> None:
    chosen = settings.StepDecay(warmup_epochs=0.0, milestones_epochs=(2.0, 3.0), gamma=0.3)
    reference = lr_scheduler.MultiStepLR(optimizer(), [2 * STEPS, 3 * STEPS], gamma=0.3)
    assert whole(chosen) == pytest.approx(of_torch(reference, STEPS * EPOCHS))


@pytest.mark.parametrize("rise_epochs", [None, 1.0, 2.0])
def test_one_cycle_is_that_of_torch(rise_epochs: float | None) -> None:
    share = 0.3 if rise_epochs is None else rise_epochs / EPOCHS
    reference = lr_scheduler.OneCycleLR(
        optimizer(), 1.0, total_steps=STEPS * EPOCHS, pct_start=share, cycle_momentum=False
    )
    with_last = [*of_torch(reference, STEPS * EPOCHS - 1), reference.get_last_lr()[0]]
    factors = whole(settings.OneCycle(warmup_epochs=rise_epochs))
    assert factors == pytest.approx(with_last)
    assert (factors[0], factors[-1]) == pytest.approx((0.04, 4e-6))


@given(
    history=st.lists(st.sampled_from([0.1, 0.5, 0.50001, 0.9, 1.0, math.nan]), max_size=25),
    patience=st.integers(0, 4),
)
def test_plateau_is_that_of_torch(history: list[float], patience: int) -> None:
    chosen = settings.Plateau(warmup_epochs=0.0, patience=patience, gamma=0.5, floor=0.01)
    reference = lr_scheduler.ReduceLROnPlateau(
        optimizer(), factor=0.5, patience=patience, min_lr=0.01, eps=0
    )
    for end in range(len(history)):
        reference.step(history[end])
        assert at(chosen, history[: end + 1]) == pytest.approx(reference.get_last_lr()[0])


def test_plateau_counts_epochs_without_a_better_figure() -> None:
    chosen = settings.Plateau(patience=1, gamma=0.1)
    histories = {(): 1, (5, 5): 1, (5, 5, 5): 0.1, (5, 6, 4, 5): 1, (5,) * 5: 0.01}
    for history, expected in histories.items():
        assert at(chosen, [*map(float, history)]) == pytest.approx(expected)


def test_milestones_rise() -> None:
    with pytest.raises(ValueError, match="milestones_epochs in increasing order"):
        settings.StepDecay(milestones_epochs=(3.0, 2.0))
