"""Small residual network for small images.

K. He et al., Deep Residual Learning for Image Recognition, 2016: the CIFAR form of section 4.2,
with projection shortcuts. The last batch norm of a block starts at zero, so that every block
starts as the identity (P. Goyal et al., Accurate, Large Minibatch SGD, 2017, section 5.1).
"""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pipeline.core.component import Component
from pipeline.models.pooling import GlobalMean


class Params(Component):
    """One width per stage; each stage after the first halves the image."""

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (16, 32, 64)
    blocks_per_stage: Annotated[int, Field(ge=1)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the last layer."""


class Block(nn.Module):
    """Two 3 × 3 convolutions and a shortcut around them."""

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        last_norm = nn.BatchNorm2d(num_out)
        nn.init.zeros_(last_norm.weight)
        self.body = nn.Sequential(
            nn.Conv2d(num_in, num_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(num_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_out, num_out, 3, padding=1, bias=False),
            last_norm,
        )
        self.shortcut: nn.Module = nn.Identity()
        if num_in != num_out or stride != 1:
            projection = nn.Conv2d(num_in, num_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(num_out))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        out: Tensor = self.activation(self.body(features) + self.shortcut(features))
        return out


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Build a network from n c h w floats of `shape` (height, width, channels) to logits."""
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
            layers.append(Block(channels, width, stride))
            channels = width
    head = [GlobalMean(), nn.Flatten(), nn.Dropout(params.dropout)]
    return nn.Sequential(*layers, *head, nn.Linear(channels, num_outputs))
