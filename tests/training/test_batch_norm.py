"""Global batch norm: two processes see what one sees that has all images."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d, EvoNorm2dB0
from torch import Tensor, nn

from pipeline.component import schema
from pipeline.errors import UserError
from pipeline.params import Recipe
from pipeline.training import ranks
from pipeline.training.batch_norm import globalise
from tests.training.test_devices import forked, status
from tests.training.test_ranks import rank

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


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_see_what_one_sees(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    norm, shape = KINDS[kind]
    for parameter in norm.parameters():
        nn.init.uniform_(parameter, 0.5, 2)
    images = torch.randn(8, FEATURES, *shape) * 2 + 1

    def work() -> None:
        dist.init_process_group("gloo", rank=rank(), world_size=2)
        globalise(norm)
        torch.save((seen(norm, images[rank() :: 2]), gradients(norm)), tmp_path / f"{rank()}")

    ranks.run(work, 2)
    whole, of_whole = seen(norm, images), gradients(norm)
    (first, of_first), (second, of_second) = (torch.load(tmp_path / name) for name in "01")
    for expected, one, other in zip(whole[:2], first, second, strict=False):
        found = torch.stack([one, other], 1).flatten(0, 1)  # the images were dealt in turn
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(first[2:], whole[2:], rtol=1e-4, atol=1e-4)
    assert all(torch.equal(one, other) for one, other in zip(first[2:], second[2:], strict=True))
    added = [one + other for one, other in zip(of_first, of_second, strict=True)]
    torch.testing.assert_close(added, of_whole, rtol=1e-4, atol=1e-4)


def test_statistics_of_another_kind_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"hardware.devices: .* kind EvoNorm2dB0, .* allowed 1"):
        globalise(nn.Sequential(nn.Conv2d(3, 3, 1), EvoNorm2dB0(FEATURES)))


@pytest.mark.slow
def test_a_network_of_timm_learns_the_same_on_two_devices(tmp_path: Path) -> None:
    chosen = Recipe(
        model=schema("model", "timm")(name="timm", architecture="mobilenetv3_small_050"),
        loss=schema("loss", "cross_entropy")(name="cross_entropy"),
        training={"epochs": 1, "batch_size": 8, "lr": 0.01, "optimiser": {"name": "sgd"}},
    )
    folders = [tmp_path / "one", tmp_path / "two"]
    for devices, folder in enumerate(folders, start=1):
        assert status(forked(folder, chosen, devices=devices)) == 0
    one, two = (torch.load(folder / "checkpoints/best.pt") for folder in folders)
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-3, msg=name)
