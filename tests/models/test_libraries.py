"""Architectures of timm and torchvision by name: those that courses teach, at small sizes too."""

from itertools import chain
from typing import Any

import pytest
import timm as timm_library
import torch
from pydantic import ValidationError
from torch import nn
from torchvision import models as torchvision_library

from pipeline.core.component import load, make
from pipeline.core.errors import UserError
from pipeline.models.blocks import blocks
from pipeline.models.libraries import architectures

CBAM = {"block_args": {"attn_layer": "cbam"}}
NAMED = [
    ("torchvision", "alexnet", {}),
    ("torchvision", "vgg16", {}),
    ("torchvision", "googlenet", {}),
    ("torchvision", "inception_v3", {}),
    ("torchvision", "convnext_tiny", {}),
    ("timm", "resnet18", {}),
    ("timm", "resnet50", {}),
    ("timm", "inception_v3", {}),
    ("timm", "legacy_xception", {}),
    ("timm", "densenet121", {}),
    ("timm", "densenet201", {}),
    ("timm", "resnext50_32x4d", {}),
    ("timm", "seresnet50", {}),
    ("timm", "resnet18", CBAM),
    ("timm", "resnet50", {"output_stride": 8}),
    ("timm", "efficientnet_b0", {}),
    ("timm", "mobilenetv3_small_100", {}),
    ("timm", "convnext_atto", {}),
    ("timm", "vit_tiny_patch16_224", {}),
    ("timm", "swin_tiny_patch4_window7_224", {}),
]
PUBLISHED = [  # millions of parameters, at 1000 classes
    ("torchvision", "alexnet", 61.10),
    ("torchvision", "vgg16", 138.36),
    ("timm", "resnet18", 11.69),
    ("timm", "resnet50", 25.56),
    ("timm", "densenet121", 7.98),
    ("torchvision", "densenet121", 7.98),
    ("timm", "vit_tiny_patch16_224", 5.72),
]


def build(
    library: str, architecture: str, shape: tuple[int, int, int], num_outputs: int, **given: Any
) -> nn.Module:
    chosen = make("model", library, architecture=architecture, **given)
    module = load("model", chosen)
    return module.build(chosen, shape, num_outputs)


@pytest.mark.parametrize(("library", "architecture", "options"), NAMED)
def test_a_named_architecture_trains_on_two_small_grey_images(
    library: str, architecture: str, options: dict[str, Any]
) -> None:
    body = build(library, architecture, (28, 28, 1), 5, options=options).train()
    before = {name: p.detach().clone() for name, p in body.named_parameters()}
    optimizer = torch.optim.SGD(body.parameters(), lr=0.01)
    logits = body(torch.randn(2, 1, 28, 28))
    nn.functional.cross_entropy(logits, torch.tensor([0, 3])).backward()
    optimizer.step()
    assert logits.shape == (2, 5)
    assert all(p.grad is not None for p in body.parameters())
    moved = {name for name, p in body.named_parameters() if not torch.equal(p, before[name])}
    found = blocks(body)
    assert sorted(chain.from_iterable(found)) == sorted(before)
    assert 6 <= len(found) <= 40
    assert any(before[name].shape[0] == 5 for name in found[-1])
    assert moved.issuperset(found[-1])  # the rest may start with gates at zero


@pytest.mark.slow
@pytest.mark.parametrize(("library", "architecture", "millions"), PUBLISHED)
def test_an_architecture_has_the_published_number_of_parameters(
    library: str, architecture: str, millions: float
) -> None:
    body = build(library, architecture, (224, 224, 3), 1000)
    assert sum(p.numel() for p in body.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_names_read_from_the_sources_are_those_that_the_libraries_list() -> None:
    assert architectures("timm") == set(timm_library.list_models())
    listed = torchvision_library.list_models(module=torchvision_library)
    assert architectures("torchvision") == set(listed)


@pytest.mark.parametrize(
    ("library", "given", "nearest"),
    [("timm", "resnet81", "resnet18"), ("torchvision", "vgg17", "vgg16"), ("timm", "cbam", None)],
)
def test_an_unknown_architecture_gets_the_nearest(
    library: str, given: str, nearest: str | None
) -> None:
    with pytest.raises(ValidationError, match=f"architectures of {library}") as caught:
        make("model", library, architecture=given)
    assert nearest is None or nearest in caught.value.errors()[0]["msg"]
    assert len(caught.value.errors()[0]["msg"]) < 200


def test_an_unknown_tag_gets_those_there_are() -> None:
    with pytest.raises(UserError, match=r"weights 'a9_in1k' for resnet18; allowed .*resnet18\.a1_"):
        build("timm", "resnet18.a9_in1k", (32, 32, 3), 5)


@pytest.mark.parametrize(
    ("library", "option"), [("timm", "cardinality"), ("torchvision", "groups")]
)
def test_an_unknown_option_gets_the_nearest(library: str, option: str) -> None:
    match = rf"model\.options\.{option}s: unknown .*nearest {option}$"
    with pytest.raises(UserError, match=match):
        build(library, "resnet18", (32, 32, 3), 5, options={f"{option}s": 2})


@pytest.mark.parametrize(
    ("library", "option"), [("timm", "cardinality"), ("torchvision", "groups")]
)
def test_an_option_with_a_wrong_value_is_named(library: str, option: str) -> None:
    with pytest.raises(UserError, match=rf"model\.options: got \{{'{option}': 3\}}: "):
        build(library, "resnet18", (32, 32, 3), 5, options={option: 3})
    with pytest.raises(ValidationError, match="options other than num_classes"):
        make("model", library, options={"num_classes": 3})


def test_the_stem_is_adapted_to_small_images_alone() -> None:
    """The last map of a ResNet, whose total stride is 32 if its stem is unchanged."""
    sides = {}
    for given, side_px in [("auto", 32), ("auto", 64), ("keep", 32), ("small", 64)]:
        body = build("timm", "resnet18", (side_px, side_px, 3), 5, stem=given)
        with torch.inference_mode():
            features = body.eval().forward_features(torch.zeros(1, 3, side_px, side_px))
        sides[given, side_px] = features.shape[-1]
    assert sides == {("auto", 32): 4, ("auto", 64): 2, ("keep", 32): 1, ("small", 64): 8}


def test_an_adapted_stem_sees_a_small_image_as_the_original_sees_a_large_one() -> None:
    """Its weights are the same, so pretrained ones fit."""
    torch.manual_seed(0)
    small = build("timm", "resnet18", (32, 32, 3), 5, stem="small")
    torch.manual_seed(0)
    kept = build("timm", "resnet18", (32, 32, 3), 5, stem="keep")
    for name, value in kept.state_dict().items():
        assert torch.equal(small.state_dict()[name], value)


def test_a_transformer_gets_small_patches_for_small_images() -> None:
    body = build("timm", "vit_tiny_patch16_224", (28, 36, 1), 5)
    assert body.get_submodule("patch_embed.proj").kernel_size == (4, 4)
    assert body.get_parameter("pos_embed").shape[1] == 7 * 9 + 1
    with pytest.raises(UserError, match="stem: got small, but the stem of hiera_tiny_224"):
        build("timm", "hiera_tiny_224", (64, 64, 3), 5, stem="small")
    with pytest.raises(UserError, match="stem: got small, but torchvision fixes the"):
        build("torchvision", "vit_b_32", (32, 32, 3), 5, stem="small")


@pytest.mark.parametrize(
    ("architecture", "side_px"), [("alexnet", 8), ("inception_v3", 8), ("convnext_tiny", 8)]
)
def test_too_small_an_image_gets_a_least_size_that_works(architecture: str, side_px: int) -> None:
    with pytest.raises(UserError, match=r"allowed at least (\d+) × \1 px") as caught:
        build("torchvision", architecture, (side_px, side_px, 3), 5)
    least_px = int(str(caught.value).split("at least ")[1].split()[0])
    build("torchvision", architecture, (least_px, least_px, 3), 5)
    with pytest.raises(UserError, match=f"at least {least_px} "):
        build("torchvision", architecture, (least_px - 1, least_px - 1, 3), 5)
