"""Blocks from the image to the classifier."""

import pytest
import timm
import torchvision
from torch import nn

from pipeline.models.blocks import blocks


def firsts(body: nn.Module) -> list[str]:
    return [names[0] for names in blocks(body)]


def test_a_norm_belongs_to_the_layer_before_it() -> None:
    body = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)),
        *(nn.Flatten(), nn.Linear(8, 3)),
    )
    assert blocks(body) == [
        ["0.weight", "0.bias", "1.weight", "1.bias"],
        ["3.weight", "3.bias", "4.weight", "4.bias"],
        ["6.weight", "6.bias"],
    ]


def test_a_residual_network_has_a_block_for_its_stem_its_blocks_and_its_classifier() -> None:
    found = firsts(timm.create_model("resnet18"))
    assert [name.rpartition(".")[0] for name in found] == [
        "conv1",
        *(f"layer{stage}.{block}.conv1" for stage in (1, 2, 3, 4) for block in (0, 1)),
        "fc",
    ]


@pytest.mark.parametrize(
    ("body", "prefix"),
    [
        (torchvision.models.vit_b_16(), "encoder.layers.encoder_layer_"),
        (timm.create_model("vit_tiny_patch16_224"), "blocks."),
    ],
    ids=["torchvision", "timm"],
)
def test_every_layer_of_a_transformer_is_a_block(body: nn.Module, prefix: str) -> None:
    layers = [names for names in blocks(body) if names[0].startswith(prefix)]
    assert len(layers) == 12
    for index, names in enumerate(layers[:-1]):
        assert all(name.startswith(f"{prefix}{index}.") for name in names)
    assert all("head" in name for name in blocks(body)[-1])


def test_a_shared_layer_is_in_the_first_block_that_has_it() -> None:
    shared = nn.Linear(4, 4)
    body = nn.Sequential(shared, nn.ReLU(), nn.Sequential(nn.Linear(4, 4), shared))
    assert blocks(body) == [["0.weight", "0.bias"], ["2.0.weight", "2.0.bias"]]


def test_a_single_layer_is_a_single_block() -> None:
    assert blocks(nn.Linear(3, 2)) == [["weight", "bias"]]
    assert blocks(nn.ReLU()) == []
