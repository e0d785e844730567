"""Global batch norm: several processes see what one sees that has all images."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.layers import BatchNormAct2d, EvoNorm2dB0
from timm.layers.norm_act import SyncBatchNormAct
from torch import Tensor, nn

from pipeline.config.recipes import Recipe
from pipeline.core.component import make
from pipeline.core.errors import UserError
from pipeline.training.batch_norm import GlobalBatchNorm
from tests.training import gloo
from tests.training.fits import forked_here, status, weights

FEATURES = 3
KINDS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "maps": (nn.BatchNorm2d(FEATURES, momentum=0.3), (4, 5)),
    "cumulative": (nn.BatchNorm2d(FEATURES, momentum=None), (4, 5)),
    "vectors": (nn.BatchNorm1d(FEATURES), ()),
    "sequences": (nn.BatchNorm1d(FEATURES, affine=False), (7,)),
    "forgetful": (nn.BatchNorm2d(FEATURES, track_running_stats=False), (4, 5)),
    "activated": (BatchNormAct2d(FEATURES, act_layer=nn.SiLU), (2, 2)),
}


def seen(norm: nn.Module, images: Tensor) -> list[Tensor]:
    """The outputs of two steps, the gradient of the images, and what the norm has learned."""
    images = images.requires_grad_()
    outputs = [norm(images), norm(images.square())]
    sum(((1 + output) ** 3).sum() for output in outputs).backward()
    assert images.grad is not None
    return [torch.stack(outputs, 1), images.grad, *norm.buffers()]


def gradients(norm: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in norm.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(("kind", "num"), [*((kind, 2) for kind in KINDS), ("maps", 3)])
def test_several_processes_see_what_one_sees(kind: str, num: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    norm, shape = deepcopy(KINDS[kind])
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 2)
    images = torch.randn(12, FEATURES, *shape) * 2 + 1

    def work(rank: int) -> None:
        GlobalBatchNorm("cpu").apply(norm)
        torch.save((seen(norm, images[rank::num]), gradients(norm)), tmp_path / f"{rank}")

    gloo.run(work, num)
    whole, of_whole = seen(norm, images), gradients(norm)
    parts, of_parts = zip(*(torch.load(tmp_path / f"{rank}") for rank in range(num)), strict=True)
    for place, expected in enumerate(whole[:2]):
        # The images were dealt in turn.
        found = torch.stack([part[place] for part in parts], 1).flatten(0, 1)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(parts[0][2:], whole[2:], rtol=1e-4, atol=1e-4)
    for part in parts[1:]:
        assert all(map(torch.equal, part[2:], parts[0][2:]))
    added = [sum(of_all) for of_all in zip(*of_parts, strict=True)]
    torch.testing.assert_close(added, of_whole, rtol=1e-4, atol=1e-4)


def test_the_only_process_of_a_group_computes_as_without_one() -> None:
    def work(rank: int) -> None:
        for norm, shape in KINDS.values():
            images = torch.randn(4, FEATURES, *shape, generator=torch.manual_seed(0))
            alone = GlobalBatchNorm("cpu").apply(deepcopy(norm))
            expected = seen(norm, images.clone())
            assert all(map(torch.equal, seen(alone, images), expected))
            assert all(map(torch.equal, gradients(alone), gradients(norm)))

    gloo.run(work, 1)


def network() -> nn.Sequential:
    """With each kind of norm, and one whose scale is a buffer, as in the architecture airbench."""
    fixed_scale = nn.BatchNorm2d(FEATURES)
    del fixed_scale.weight
    fixed_scale.register_buffer("weight", torch.ones(FEATURES))
    activated = BatchNormAct2d(FEATURES, act_layer=nn.SiLU)
    maps = nn.Sequential(nn.BatchNorm2d(FEATURES), fixed_scale, activated, nn.Flatten())
    return nn.Sequential(maps, nn.Linear(FEATURES * 4, 5), nn.BatchNorm1d(5).eval())


@pytest.mark.parametrize(
    ("device_type", "plain", "activated"),
    [
        ("cpu", "GlobalBatchNorm2d", "GlobalBatchNormAct2d"),
        ("cuda", nn.SyncBatchNorm.__name__, SyncBatchNormAct.__name__),
    ],
)
def test_parameters_names_and_state_stay(device_type: str, plain: str, activated: str) -> None:
    body, images = network(), torch.randn(6, FEATURES, 2, 2, generator=torch.manual_seed(0))
    kinds = [type(part) for part in body.modules()]
    parameters, state = dict(body.named_parameters()), deepcopy(body.state_dict())
    copy, plugin = deepcopy(body), GlobalBatchNorm(device_type)

    def same(model: Any) -> None:
        assert model is body
        assert list(parameters) == [name for name, _ in model.named_parameters()]
        assert all(own is parameters[name] for name, own in model.named_parameters())
        assert list(state) == list(model.state_dict())
        assert all(map(torch.equal, model.state_dict().values(), state.values()))

    same(plugin.apply(body))
    made = [type(part).__name__ for part in body.modules()]
    assert (made.count(activated), len(made)) == (1, len(kinds))
    assert [made[place] for place, kind in enumerate(kinds) if kind is nn.BatchNorm2d] == [
        plain
    ] * 2
    assert not body[2].training
    applied = deepcopy(body)
    same(plugin.revert(body))
    assert [type(part) for part in body.modules()] == kinds
    expected = copy(images)
    for model in (body, applied):  # there are no other processes
        assert torch.equal(model(images), expected)
        assert all(map(torch.equal, model.state_dict().values(), copy.state_dict().values()))


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_statistics_of_another_kind_are_refused_by_name(device_type: str) -> None:
    body = nn.Sequential(nn.BatchNorm2d(FEATURES), EvoNorm2dB0(FEATURES))
    with pytest.raises(UserError, match=r"hardware.devices: .* EvoNorm2dB0 layers, .* allowed 1"):
        GlobalBatchNorm(device_type).apply(body)
    assert type(body[0]) is nn.BatchNorm2d


@pytest.mark.slow
def test_a_network_of_timm_learns_the_same_on_two_devices(tmp_path: Path) -> None:
    chosen = Recipe(
        model=make("model", "timm", architecture="mobilenetv3_small_050"),
        loss=make("loss", "cross_entropy"),
        training={"epochs": 1, "batch_size": 8, "lr": 0.01, "optimiser": {"name": "sgd"}},
    )
    folders = [tmp_path / "one", tmp_path / "two"]
    for devices, folder in enumerate(folders, start=1):
        assert status(forked_here(folder, chosen, devices=devices)) == 0
    one, two = map(weights, folders)
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-3, msg=name)
