"""Conformance of every loss, found by its file."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pipeline.core.component import load, make, names, schema
from pipeline.core.errors import UserError
from pipeline.losses.shared.adjusted import adjusted
from pipeline.losses.shared.standardised import standardised

KINDS = {"softmax": ("classes",), "sigmoid": ("classes", "labels"), "identity": ("values",)}
CASES = [
    (name, kind)
    for name in names("loss")
    for activation in schema("loss", name).ACTIVATIONS
    for kind in KINDS[activation]
]
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25])


def build(name: str, class_weights: Tensor | None = None, **settings: Any):
    params = make("loss", name, **settings)
    module = load("loss", params)
    return module.build(params, class_weights)


def sample(name: str, kind: str, seed: int = 0, size: int = 8) -> tuple[Tensor, Tensor]:
    """Logits in fp64, and targets: of 4 classes, of 2 with one logit, of 4 labels or values."""
    generator = torch.Generator().manual_seed(seed)
    is_binary = kind == "classes" and "sigmoid" in schema("loss", name).ACTIVATIONS
    shape = (size, 1 if is_binary else 4)
    logits, values = (2 * torch.randn(shape, generator=generator).double() for _ in range(2))
    classes = torch.randint(2 if is_binary else 4, (size,), generator=generator)
    return logits, {"classes": classes, "labels": values > 0, "values": values}[kind]


def weights_of(logits: Tensor) -> Tensor:
    """Return one weight per class or label; a single logit has two classes."""
    return WEIGHTS[: max(2, logits.shape[1])]


def test_every_task_has_a_loss_and_every_loss_a_task() -> None:
    wanted = {schema("task", name).ACTIVATION for name in names("task")}
    offered = {a for name in names("loss") for a in schema("loss", name).ACTIVATIONS}
    assert wanted == offered == set(KINDS)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_loss_is_the_mean_of_the_losses_of_its_halves(name: str, kind: str) -> None:
    """Two devices thus end where one does; class weights do not change this."""
    logits, targets = sample(name, kind)
    for class_weights in (None, weights_of(logits)) if kind != "values" else (None,):
        loss = build(name, class_weights)
        whole = loss(logits, targets)
        assert whole.shape == ()
        assert whole > 0
        halves = [loss(logits[part], targets[part]) for part in (slice(0, 4), slice(4, 8))]
        torch.testing.assert_close(whole, torch.stack(halves).mean())


@pytest.mark.parametrize(("name", "kind"), [c for c in CASES if c[1] != "values"])
def test_a_weight_multiplies_what_its_class_adds(name: str, kind: str) -> None:
    """Every loss is linear in the weights, and equal weights of 1 have no effect."""
    logits, targets = sample(name, kind)
    weights = weights_of(logits)
    parts = [build(name, one * weights)(logits, targets) for one in torch.eye(len(weights))]
    torch.testing.assert_close(build(name, weights)(logits, targets), torch.stack(parts).sum())
    ones = build(name, torch.ones_like(weights))(logits, targets)
    torch.testing.assert_close(ones, build(name)(logits, targets))
    if kind == "classes":
        for label, part in enumerate(parts):
            own = targets == label
            expected = build(name)(logits[own], targets[own]) * weights[label] * own.sum() / 8
            torch.testing.assert_close(part, expected if own.any() else torch.zeros_like(part))


@pytest.mark.parametrize("name", [name for name, kind in CASES if kind == "values"])
def test_a_loss_of_values_refuses_class_weights(name: str) -> None:
    with pytest.raises(UserError, match=f"class_weights: the loss {name} is for values, .*remove"):
        build(name, WEIGHTS)


@pytest.mark.parametrize(
    ("name", "kind"), [c for c in CASES if getattr(schema("loss", c[0]), "SOFT_TARGETS", False)]
)
def test_a_loss_that_takes_soft_targets_is_lowest_where_predictions_equal_them(
    name: str, kind: str
) -> None:
    """Also with weights: those of a sample do not change what is best for it."""
    logits, _ = sample(name, kind)
    is_binary = kind == "classes" and logits.shape[1] == 1
    means = {"values": logits, "labels": logits.sigmoid(), "classes": logits.softmax(dim=1)}
    soft = means["labels" if is_binary else kind]
    logits.requires_grad_()
    for class_weights in (None, weights_of(logits)) if kind != "values" else (None,):
        loss = build(name, class_weights)
        (gradient,) = torch.autograd.grad(loss(logits, soft), logits)
        assert gradient.abs().max() < 1e-12
        moved = logits.detach() + 0.1 * torch.randn(logits.shape)
        assert loss(moved, soft) > loss(logits, soft)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_gradients_are_finite_differences(name: str, kind: str) -> None:
    logits, targets = sample(name, kind)
    torch.autograd.gradcheck(lambda z: build(name)(z, targets), logits.requires_grad_())


@pytest.mark.parametrize("size", [1e2, 1e4])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_extreme_logits_have_a_finite_loss_and_gradient(name: str, kind: str, size: float) -> None:
    logits, targets = sample(name, kind)
    extreme = (logits.sign() * size).float().requires_grad_()
    loss = build(name)(extreme, targets.float() if kind == "values" else targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert extreme.grad is not None
    assert torch.isfinite(extreme.grad).all()
    assert extreme.grad.abs().max() > 0.01  # what is wrong is still learned from


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_bf16_logits_are_averaged_in_fp32(name: str, kind: str) -> None:
    logits, targets = sample(name, kind, size=512)
    narrow, targets = logits.bfloat16(), targets.float() if kind == "values" else targets
    loss = build(name)(narrow, targets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, build(name)(narrow.float(), targets))


@pytest.mark.parametrize("name", [name for name, kind in CASES if kind == "classes"])
def test_every_loss_of_classes_takes_adjusted_logits_in_full_precision(name: str) -> None:
    logits, targets = sample(name, "classes")
    offset = torch.tensor([-9.21, -0.003, -2.3, -4.61])[: logits.shape[1]]
    expected = build(name)(logits.float() + offset, targets)
    torch.testing.assert_close(adjusted(build(name), offset)(logits.float(), targets), expected)
    narrow = logits.bfloat16()
    expected = build(name)(narrow.float() + offset, targets)
    torch.testing.assert_close(adjusted(build(name), offset)(narrow, targets), expected)
    assert expected != build(name)(narrow.float(), targets)


@given(st.integers(0, 10_000), st.sampled_from(CASES))
def test_the_order_of_samples_does_not_matter(seed: int, case: tuple[str, str]) -> None:
    logits, targets = sample(*case, seed=seed)
    loss = build(case[0])
    torch.testing.assert_close(loss(logits.flip(0), targets.flip(0)), loss(logits, targets))


def test_values_are_learned_standardised() -> None:
    logits, targets = sample("mse", "values")
    mean, std = torch.tensor([1.0, 2.0, -3.0, 0.0]), torch.tensor([0.5, 10.0, 1.0, 2.0])
    in_units = standardised(build("mse"), mean, std)(logits, targets * std + mean)
    torch.testing.assert_close(in_units, build("mse")(logits, targets))


def test_values_far_from_zero_keep_their_differences() -> None:
    """Times in seconds near 1.7e9: float32 tells apart only those 128 seconds from each other."""
    targets = 1.7e9 + torch.arange(123, dtype=torch.float64)[:, None]
    mean, std = targets.mean(dim=0), targets.std(dim=0, correction=0)
    logits = ((targets - mean) / std).float()
    loss = standardised(build("mse"), mean, std)
    assert loss(logits, targets) < 1e-12
    assert loss(logits + 1, targets) == pytest.approx(1)
