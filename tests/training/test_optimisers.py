"""Optimisers against their papers' formulas, and what all of them must do."""

import io
import math
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.config import optimisation as settings
from pipeline.core.errors import UserError
from pipeline.training.optimisers import Group, build, groups, is_weight, scale_lr, weights

ALL = [
    *(chosen() for chosen in get_args(settings.Optimiser)),
    settings.SGD(nesterov=True),
    settings.RMSprop(momentum=0.9),
]
each = pytest.mark.parametrize("chosen", ALL, ids=str)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 8, 3, groups=2), nn.ReLU()]
    head = [nn.Flatten(), nn.Linear(32, 6), nn.Tanh(), nn.Linear(6, 2)]
    return nn.Sequential(*layers, *head).to(memory_format=torch.channels_last)


def made(
    chosen: settings.Optimiser, body: nn.Module, *, lr: float = 0.003, weight_decay: float = 0.1
) -> Optimizer:
    blocks = [list(child.named_parameters()) for child in body.children()]
    return build(chosen, groups(blocks, lr=lr, weight_decay=weight_decay, lr_decay_by_depth=0.9))


def train(body: nn.Module, optimizer: Optimizer, steps: range) -> list[float]:
    losses = []
    for step in steps:
        generator = torch.Generator().manual_seed(step % 4)
        images = torch.randn(16, 3, 6, 6, generator=generator)
        loss = (body(images) - 10 * images.mean((2, 3))[:, :2]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def one(
    chosen: settings.Optimiser, start: Tensor, gradients: list[Tensor], weight_decay: float = 0.0
) -> Tensor:
    """Where `start` is after a step along each gradient, at a rate of 0.1."""
    weight = nn.Parameter(start.clone())
    optimizer = build(chosen, groups([[("weight", weight)]], lr=0.1, weight_decay=weight_decay))
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def without_parameters(group: Group) -> Group:
    return {key: value for key, value in group.items() if key != "params"}


@each
def test_a_loaded_state_goes_on_with_the_same_bits(chosen: settings.Optimiser) -> None:
    body = network()
    optimizer = made(chosen, body)
    train(body, optimizer, range(4))
    file = io.BytesIO()
    torch.save({"network": body.state_dict(), "optimizer": optimizer.state_dict()}, file)
    train(body, optimizer, range(4, 7))
    file.seek(0)
    held = torch.load(file, weights_only=True)
    resumed = network()
    resumed.load_state_dict(held["network"])
    other = made(chosen, resumed)
    other.load_state_dict(held["optimizer"])
    assert [*map(without_parameters, other.param_groups)] == [
        *map(without_parameters, optimizer.param_groups)
    ]
    train(resumed, other, range(4, 7))
    for name, value in body.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@each
def test_it_learns(chosen: settings.Optimiser) -> None:
    lr = 0.003 if chosen.name == "rmsprop" else 0.02
    body = network()
    losses = train(body, made(chosen, body, lr=lr, weight_decay=0.0), range(120))
    assert np.mean(losses[-4:]) < 0.5 * np.mean(losses[:4])


@each
def test_without_a_gradient_only_weights_shrink(chosen: settings.Optimiser) -> None:
    body = network()
    before = {name: value.detach().clone() for name, value in body.named_parameters()}
    optimizer = made(chosen, body)
    for parameter in body.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, value in body.named_parameters():
        if value.ndim > 1:
            assert value.norm() < before[name].norm()
        else:
            assert torch.equal(value, before[name])


@each
def test_frozen_parameters_stay_until_they_are_thawed(chosen: settings.Optimiser) -> None:
    body = network()
    start = [value.detach().clone() for value in body[2].parameters()]
    optimizer = made(chosen, body)
    body[2].requires_grad_(False)
    train(body, optimizer, range(2))
    assert all(map(torch.equal, body[2].parameters(), start))
    body[2].requires_grad_(True)
    train(body, optimizer, range(1))
    assert not any(map(torch.equal, body[2].parameters(), start))


@each
def test_a_closure_is_evaluated_with_gradients(chosen: settings.Optimiser) -> None:
    body = network()
    optimizer = made(chosen, body)

    def closure() -> float:
        loss = body(torch.ones(2, 3, 6, 6)).square().sum()
        loss.backward()
        return float(loss.detach())

    before = [value.detach().clone() for value in body.parameters()]
    assert optimizer.step(closure) > 0
    assert not all(map(torch.equal, body.parameters(), before))


W, G, H = (torch.tensor(values) for values in ([[1.0, -2.0]], [[0.5, 3.0]], [[-0.2, 1.0]]))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        # after gradients G and H at a rate of 0.1 and a decay of 0
        (settings.SGD(momentum=0.0), W - 0.1 * (G + H)),
        (settings.SGD(), W - 0.1 * (G + 0.9 * G + H)),
        (settings.SGD(nesterov=True), W - 0.1 * (1.9 * G + H + 0.9 * (0.9 * G + H))),
        (
            settings.RMSprop(),
            W
            - 0.1 * G / (0.01 * G**2).sqrt()
            - 0.1 * H / (0.99 * 0.01 * G**2 + 0.01 * H**2).sqrt(),
        ),
        (
            settings.Adam(betas=(0.5, 0.9)),
            W
            - 0.1 * G.sign()
            - 0.1 * ((0.25 * G + 0.5 * H) / 0.75) / ((0.09 * G**2 + 0.1 * H**2) / 0.19).sqrt(),
        ),
        (settings.Lion(betas=(0.5, 0.9)), W - 0.1 * G.sign() - 0.1 * (0.1 * G + H).sign()),
    ],
    ids=lambda value: value.name if isinstance(value, get_args(settings.Optimiser)) else "",
)
def test_two_steps_are_their_formula(chosen: settings.Optimiser, expected: Tensor) -> None:
    torch.testing.assert_close(one(chosen, W, [G, H]), expected)


@pytest.mark.parametrize("chosen", [settings.AdamW(), settings.Lion()], ids=str)
def test_decoupled_decay_is_a_share_of_the_weight(chosen: settings.Optimiser) -> None:
    expected = W * (1 - 0.1 * 0.3) - 0.1 * G.sign()
    torch.testing.assert_close(one(chosen, W, [G], weight_decay=0.3), expected)


def test_coupled_decay_is_part_of_the_gradient() -> None:
    decayed = one(settings.SGD(), W, [G], weight_decay=0.3)
    torch.testing.assert_close(decayed, one(settings.SGD(), W, [G + 0.3 * W]))


@given(seed=st.integers(0, 1000), num_steps=st.integers(1, 6))
def test_lion_is_its_paper(seed: int, num_steps: int) -> None:
    generator = np.random.default_rng(seed)
    theta, *gradients = generator.normal(size=(num_steps + 1, 3, 4))
    chosen = settings.Lion(betas=(0.8, 0.95))
    found = one(chosen, torch.tensor(theta), [*map(torch.tensor, gradients)], weight_decay=0.2)
    momentum = np.zeros((3, 4))
    for gradient in gradients:  # algorithm 2, line by line
        update = 0.8 * momentum + (1 - 0.8) * gradient
        theta = theta - 0.1 * (np.sign(update) + 0.2 * theta)
        momentum = 0.95 * momentum + (1 - 0.95) * gradient
    np.testing.assert_allclose(found, theta, atol=1e-12)


def hidden(
    shape: tuple[int, ...], gradients: list[Tensor], build_it: Callable[[nn.Parameter], Optimizer]
) -> Tensor:
    weight = nn.Parameter(torch.ones(shape))
    optimizer = build_it(weight)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def ours(weight: nn.Parameter) -> Optimizer:
    ends = [("weight", nn.Parameter(torch.zeros(2, 2))) for _ in range(2)]
    blocks = [[ends[0], ("weight", weight), ends[1]]]
    return build(settings.Muon(momentum=0.8), groups(blocks, lr=0.1, weight_decay=0.2))


def torchs(weight: nn.Parameter) -> Optimizer:
    return torch.optim.Muon(
        [weight], lr=0.1, weight_decay=0.2, momentum=0.8, adjust_lr_fn="match_rms_adamw"
    )


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (4, 4)])
def test_muon_is_that_of_torch_for_a_matrix(shape: tuple[int, int]) -> None:
    gradients = list(torch.randn(4, *shape, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(hidden(shape, gradients, ours), hidden(shape, gradients, torchs))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_muon_steps_over_a_kernel_as_over_its_matrix(memory_format: torch.memory_format) -> None:
    gradients = torch.randn(3, 8, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    kernels = [g.contiguous(memory_format=memory_format) for g in gradients]
    flat = hidden((8, 36), [*gradients.flatten(2)], torchs)
    torch.testing.assert_close(hidden((8, 4, 3, 3), kernels, ours), flat.view(8, 4, 3, 3))


def test_muon_is_its_paper() -> None:
    gradients = np.random.default_rng(0).normal(size=(3, 6, 10))
    found = hidden((6, 10), [*torch.tensor(gradients).float()], ours)
    theta, momentum = np.ones((6, 10)), np.zeros((6, 10))
    for gradient in gradients:
        momentum = 0.8 * momentum + 0.2 * gradient
        x = 0.8 * momentum + 0.2 * gradient
        x = x / np.linalg.norm(x)
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        theta = theta * (1 - 0.1 * 0.2) - 0.1 * 0.2 * math.sqrt(10) * x
    np.testing.assert_allclose(found, theta, atol=2e-3)  # bf16: two to three digits of 0.06


@given(rows=st.integers(1, 20), columns=st.integers(1, 20), scale=st.sampled_from([1e-3, 1.0, 1e4]))
def test_a_step_of_muon_has_the_singular_vectors_and_values_near_one(
    rows: int, columns: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(rows * 20 + columns)
    u, s, v = torch.linalg.svd(torch.randn(rows, columns, generator=generator), full_matrices=False)
    s = s.clamp(min=s.max() / 10)  # five iterations lift no singular value that is far smaller
    start = 1 - 0.1 * 0.2  # of each weight, once it has decayed
    step = start - hidden((rows, columns), [scale * (u * s) @ v], ours)
    found = u.T @ step @ v.T / (0.1 * 0.2 * math.sqrt(max(rows, columns)))
    assert ((found.diag() > 0.6) & (found.diag() < 1.3)).all()
    assert (found - found.diag().diag()).abs().max() < 0.1


def test_muon_leaves_the_ends_and_the_vectors_to_adamw() -> None:
    body, other = network(), network()
    muon, adamw = made(settings.Muon(), body), made(settings.AdamW(), other)
    for group in adamw.param_groups:
        group["fused"] = False  # timm's is not: over many steps the last bits differ
    train(body, muon, range(1))
    train(other, adamw, range(1))
    equal = {
        name
        for name, value in body.named_parameters()
        if torch.equal(value, dict(other.named_parameters())[name])
    }
    assert equal == {name for name, _ in body.named_parameters()} - {"2.weight", "5.weight"}


def test_muon_wants_a_hidden_weight() -> None:
    with pytest.raises(UserError, match=r"got muon, but the network has no weights .* adamw"):
        made(settings.Muon(), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)))


def test_nesterov_wants_momentum() -> None:
    with pytest.raises(ValueError, match="nesterov only with a momentum above 0"):
        settings.SGD(nesterov=True, momentum=0.0)


@given(decay=st.floats(0.1, 1), sizes=st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_each_depth_has_its_rate_and_each_parameter_one_group(
    decay: float, sizes: list[int]
) -> None:
    blocks = [[("a.weight", nn.Parameter(torch.zeros((2,) * size)))] for size in sizes]
    made_groups = groups(blocks, lr=0.5, weight_decay=0.1, lr_decay_by_depth=decay)
    place = {id(p): group for group in made_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in made_groups) == len(blocks) == len(place)
    for depth, [(_, parameter)] in enumerate(blocks):
        group = place[id(parameter)]
        assert group["lr"] == pytest.approx(0.5 * decay ** (len(blocks) - 1 - depth))
        assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0)
    assert [p.ndim for p in weights(made_groups)] == [size for size in sizes if size > 1]


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "levit_128s", "swin_tiny_patch4_window7_224", "cait_xxs24_224"]
)
def test_what_timm_does_not_decay_does_not_decay(name: str) -> None:
    with torch.device("meta"):
        body: Any = timm.create_model(name)
    decayed = {name for name, p in body.named_parameters() if is_weight(name, p)}
    assert not decayed & set(body.no_weight_decay())
    layers = (nn.Linear, nn.Conv2d)
    kernels = {f"{name}.weight" for name, m in body.named_modules() if isinstance(m, layers)}
    assert decayed == kernels


@each
def test_a_factor_holds_for_every_group_and_does_not_pile_up(chosen: settings.Optimiser) -> None:
    optimizer = made(chosen, network(), lr=0.4)
    start = [group["lr"] for group in optimizer.param_groups]
    assert max(start) == 0.4
    for factor in (0.5, 0.25):
        scale_lr(optimizer, factor)
        found = [group["lr"] for group in optimizer.param_groups]
        assert found == pytest.approx([factor * rate for rate in start])
