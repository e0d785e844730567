"""Penalties and clipping against their formulas."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pipeline.config import optimisation as settings
from pipeline.training.penalties import clip, penalty


def parameters(seed: int) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    made = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in [(3, 4), (2, 3, 2)]]
    for parameter in made:
        parameter.grad = 5 * torch.randn(parameter.shape, generator=generator)
    return made


def gradients(made: list[nn.Parameter]) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in made if p.grad is not None])


@given(seed=st.integers(0, 99), l1=st.sampled_from([0.0, 0.3]), l2=st.sampled_from([0.0, 0.7]))
def test_a_penalty_and_its_gradient_are_their_formulas(seed: int, l1: float, l2: float) -> None:
    made = parameters(seed)
    with torch.no_grad():
        made[0][0, 0] = 0
    flat = torch.cat([p.detach().flatten() for p in made])
    before = gradients(made)
    term = penalty(settings.Penalty(l1=l1, l2=l2), made)
    torch.testing.assert_close(term.detach(), l1 * flat.abs().sum() + l2 / 2 * (flat**2).sum())
    if l1 or l2:
        torch.autograd.backward(term)
    torch.testing.assert_close(gradients(made) - before, l1 * flat.sign() + l2 * flat)


@given(seed=st.integers(0, 99), at=st.floats(0.01, 100))
def test_clipping_by_norm_keeps_the_direction(seed: int, at: float) -> None:
    made = parameters(seed)
    before = gradients(made)
    clip(settings.Clip(at=at), made)
    expected = before * min(1.0, at / float(before.norm()))
    torch.testing.assert_close(gradients(made), expected, rtol=1e-4, atol=1e-6)


@given(seed=st.integers(0, 99), at=st.floats(0.01, 100))
def test_clipping_by_value_bounds_each_element(seed: int, at: float) -> None:
    made = parameters(seed)
    before = gradients(made)
    clip(settings.Clip(by="value", at=at), made)
    torch.testing.assert_close(gradients(made), before.clamp(-at, at))


def test_a_bound_is_above_zero() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        settings.Clip(at=0.0)
