"""Losses against their formulas, and conformance of every loss."""

import numpy as np
import pytest
import torch

from pipeline.component import names, resolve, schema
from pipeline.losses import cross_entropy


@pytest.mark.parametrize("name", names("loss"))
def test_a_loss_is_a_finite_scalar_with_a_gradient(name: str) -> None:
    module, params = resolve("loss", schema("loss", name)(name=name))
    logits = torch.randn(6, 4, requires_grad=True)
    loss = module.build(params, None)(logits, torch.arange(6) % 4)
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_its_formula(smoothing: float) -> None:
    generator = np.random.default_rng(0)
    logits, targets = generator.normal(size=(50, 4)), generator.integers(0, 4, 50)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    soft = np.full((50, 4), smoothing / 4) + (1 - smoothing) * np.eye(4)[targets]
    expected = -(soft * log_p).sum(1).mean()
    params = cross_entropy.Params(name="cross_entropy", label_smoothing=smoothing)
    loss = cross_entropy.build(params, None)(torch.tensor(logits), torch.tensor(targets))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_class_weights_count_each_sample_by_its_class() -> None:
    """And a batch is the mean of its halves, so that devices may share it."""
    weights, targets = torch.tensor([0.5, 2.0, 1.0]), torch.tensor([0, 1, 1, 2])
    params = cross_entropy.Params(name="cross_entropy")
    weighted = cross_entropy.build(params, weights)
    logits = torch.randn(4, 3)
    losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    assert torch.isclose(weighted(logits, targets), (losses * weights[targets]).mean())
    halves = [weighted(logits[part], targets[part]) for part in (slice(0, 2), slice(2, 4))]
    assert torch.isclose(weighted(logits, targets), sum(halves) / 2)


def test_bf16_logits_are_averaged_in_fp32() -> None:
    params = cross_entropy.Params(name="cross_entropy")
    loss = cross_entropy.build(params, None)(
        torch.zeros(3, 4, dtype=torch.bfloat16), torch.zeros(3).long()
    )
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(np.log(4), rel=1e-6)
