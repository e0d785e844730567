"""Plain convolutional network: blocks of convolution, batch norm and ReLU with pooling between."""

from typing import Annotated

from pydantic import Field
from torch import nn

from pipeline.component import Component


class Params(Component):
    """One width a block; the image is halved between blocks."""

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (32, 64)
    """Channels of each block."""
    convs_per_block: Annotated[int, Field(ge=1)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Before the last layer."""


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Takes n c h w floats of `shape` (height, width, channels) and gives n logits each."""
    layers: list[nn.Module] = []
    channels = shape[2]
    for block, width in enumerate(params.widths):
        if block:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # never pools a small image to nothing
        for _ in range(params.convs_per_block):
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(params.dropout)]
    return nn.Sequential(*layers, *head, nn.Linear(channels, num_outputs))
