"""Means of weights against naive loops; batch norm estimated anew as torch does it."""

import copy
import io
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from pipeline.config import optimisation as settings
from pipeline.training.averaging import Mean, ema_weight, swa_counts, swa_weight, update_batch_norm

EMA = settings.EMA(half_life_epochs=2.0)


def network(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Dropout(dropout), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16, 2))


def wander(body: nn.Module, step: int) -> dict[str, Tensor]:
    """Another state of the network; a copy of it."""
    generator = torch.Generator().manual_seed(step)
    for value in body.state_dict().values():
        value.add_(torch.randn(value.shape, generator=generator).to(value.dtype))
    return copy.deepcopy(body.state_dict())


def close(body: nn.Module, expected: dict[str, Tensor]) -> None:
    for name, value in body.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name], msg=name)


@given(num=st.integers(1, 30), half_life=st.floats(0.05, 100), steps=st.integers(1, 50))
def test_ema_is_its_sum_over_all_steps(num: int, half_life: float, steps: int) -> None:
    chosen = settings.EMA(half_life_epochs=half_life)
    live = nn.Linear(1, 1, bias=False)
    mean = Mean(live)
    values = torch.randn(num, 1, 1, generator=torch.Generator().manual_seed(num))
    for value in values:
        live.weight.data.copy_(value)
        mean.update(ema_weight(chosen, mean.num_updates, steps))
    mean.exchange()
    ages = torch.arange(num - 1, -1, -1, dtype=torch.float64).view(-1, 1, 1)
    shares = 0.5 ** (ages / (half_life * steps))  # half for each half-life that has passed
    expected = (shares * values.double()).sum(0) / shares.sum()
    torch.testing.assert_close(live.weight.detach().double(), expected, rtol=1e-4, atol=1e-5)


def test_swa_is_the_plain_mean_of_weights_and_buffers() -> None:
    body = network()
    mean = Mean(body)
    states = []
    for step in range(5):
        states.append(wander(body, step))
        mean.update(swa_weight(mean.num_updates))
    mean.exchange()
    close(
        body, {name: torch.stack([s[name] for s in states]).float().mean(0) for name in states[0]}
    )


@given(start=st.floats(0, 0.99), num_epochs=st.integers(1, 200))
def test_swa_counts_the_last_epochs(start: float, num_epochs: int) -> None:
    chosen = settings.SWA(start=start)
    counted = [swa_counts(chosen, epoch, num_epochs) for epoch in range(num_epochs)]
    assert counted == sorted(counted)
    assert counted[-1]
    assert math.isclose(sum(counted), (1 - start) * num_epochs, abs_tol=1)


def test_the_first_update_takes_the_weights_as_they_are() -> None:
    body = network()
    mean = Mean(body)
    state = wander(body, 1)
    mean.update(ema_weight(EMA, 0, 100))
    wander(body, 2)
    mean.exchange()
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    assert all(torch.equal(body.state_dict()[name], value) for name, value in floats.items())


def test_an_exchange_lends_the_mean_and_another_gives_the_weights_back() -> None:
    body = network()
    mean = Mean(body)
    average = copy.deepcopy(body.state_dict())
    state = wander(body, 1)
    mean.exchange()
    close(body, average)
    mean.exchange()
    assert all(torch.equal(value, state[name]) for name, value in body.state_dict().items())


def test_a_loaded_mean_goes_on_with_the_same_bits() -> None:
    body = network()
    mean = Mean(body)
    for step in range(7):
        if step == 4:
            file = io.BytesIO()
            torch.save(mean.state_dict(), file)
        wander(body, step)
        mean.update(ema_weight(EMA, mean.num_updates, 3))
    other_body = network()
    other = Mean(other_body)
    for step in range(7):
        if step == 4:
            file.seek(0)
            other.load_state_dict(torch.load(file, weights_only=True))
        wander(other_body, step)
        if step >= 4:
            other.update(ema_weight(EMA, other.num_updates, 3))
    mean.exchange()
    other.exchange()
    for name, value in body.state_dict().items():
        assert torch.equal(value, other_body.state_dict()[name]), name


BATCHES = list(torch.randn(4, 8, 1, 4, 4, generator=torch.Generator().manual_seed(0)))


def test_batch_norm_is_estimated_as_torch_does() -> None:
    body, other = network(), network()
    wander(body, 1), wander(other, 1)
    update_batch_norm(body, BATCHES)
    update_bn(BATCHES, other)
    for name, value in body.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], msg=name)
    assert all(module.training for module in body.modules())
    assert body[1].momentum == nn.BatchNorm2d(1).momentum


def test_batch_norm_is_estimated_without_dropout_and_without_drawing() -> None:
    body, other = network(dropout=0.9), network()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    update_batch_norm(body, BATCHES)
    assert torch.equal(torch.rand(1), expected)
    update_batch_norm(other, BATCHES)
    close(body, other.state_dict())


def test_a_frozen_batch_norm_keeps_its_statistics() -> None:
    body = network()
    state = wander(body, 1)
    body[1].eval()
    update_batch_norm(body, BATCHES)
    close(body, state)
    assert body.training and not body[1].training


def test_a_network_in_evaluation_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="got a network in evaluation mode"):
        update_batch_norm(network().eval(), BATCHES)
