"""Adapt large-image architectures to small images by omitting their first strides of two.

An architecture for 224 px gives maps of 7 px; an image of 32 px would end as a single pixel. With
the strides at its two highest resolutions set to 1, it sees the image as the original sees one with
four times the side. No weight changes its shape, so pretrained weights still fit; replacing the 7 ×
7 convolution of a ResNet by one of 3 × 3, as K. He et al. (2016) did for CIFAR, would lose them.
"""

import copy
import math

import torch
from torch import Tensor, nn

SMALL_PX = 64
LEFT_OUT = 4  # the total stride to remove
MADE_FOR_PX = 224
Strided = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d


def is_small(shape: tuple[int, int, int], stem: str) -> bool:
    """Return whether to adapt the stem: below 64 px, or if the parameters say so."""
    return stem == "small" or (stem == "auto" and min(shape[:2]) < SMALL_PX)


def step_by_one(body: nn.Module, channels: int) -> None:
    """Set the strides at the highest resolutions of `body` to 1, until a factor of 4 is gone.

    All layers at one resolution change together, since a block and its shortcut have to agree.
    """
    removed = 1
    for layers in _by_resolution(body, channels):
        if removed >= LEFT_OUT:
            return
        removed *= max(_stride(layer) for layer in layers)
        for layer in layers:
            layer.stride = (1, 1)


def _by_resolution(body: nn.Module, channels: int) -> list[list[Strided]]:
    """Group the layers with a stride above 1 by the area of their input, largest first."""
    probe = copy.deepcopy(body).to("meta").eval()
    found: dict[int, list[Strided]] = {}
    for copied, layer in zip(probe.modules(), body.modules(), strict=True):
        if isinstance(layer, Strided) and _stride(layer) > 1:

            def note(_: nn.Module, inputs: tuple[Tensor, ...], own: Strided = layer) -> None:
                found.setdefault(math.prod(inputs[0].shape[2:]), []).append(own)

            copied.register_forward_pre_hook(note)
    probe(torch.zeros(1, channels, MADE_FOR_PX, MADE_FOR_PX, device="meta"))
    return [found[area] for area in sorted(found, reverse=True)]


def _stride(layer: Strided) -> int:
    return layer.stride if isinstance(layer.stride, int) else max(layer.stride)
