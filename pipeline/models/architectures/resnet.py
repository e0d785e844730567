"""Small residual network for small images.

K. He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:
    from torch import nn


class Params(Component):
    """One width per stage; each stage after the first halves the image."""

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (16, 32, 64)
    blocks_per_stage: Annotated[int, Field(ge=1)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the last layer."""


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Build a network from n c h w floats of `shape` (height, width, channels) to logits."""
    from torch import nn

    from pipeline.models.layers.pooling import GlobalMean
    from pipeline.models.layers.residual import ResidualBlock

    stem_width = params.widths[0]
    layers: list[nn.Module] = [
        nn.Conv2d(shape[2], stem_width, 3, padding=1, bias=False),
        nn.BatchNorm2d(stem_width),
        nn.ReLU(inplace=True),
    ]
    channels = stem_width
    for stage, width in enumerate(params.widths):
        for block in range(params.blocks_per_stage):
            stride = 2 if stage and not block else 1
            layers.append(ResidualBlock(channels, width, stride))
            channels = width
    head = [GlobalMean(), nn.Flatten(), nn.Dropout(params.dropout)]
    return nn.Sequential(*layers, *head, nn.Linear(channels, num_outputs))
