"""Plain convolutional network: blocks of convolution, batch norm and activation, then pooling.

The defaults are a modern small network; the alternatives are those that courses compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.core.component import Component

if TYPE_CHECKING:
    from torch import nn


class Params(Component):
    """One width per block. The other settings apply to all of its convolutions."""

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (32, 64)
    """Channels of each block."""
    convs_per_block: Annotated[int, Field(ge=1)] = 1
    kernel_px: Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=1)], ...] = 3
    """Side of the kernels: one for all blocks, or one per block."""
    stride: Annotated[int, Field(ge=1)] = 1
    """Stride of the first convolution of each block."""
    padding: Literal["same"] | Annotated[int, Field(ge=0)] = "same"
    """Pixels on each side; same keeps the size if kernels are odd and the stride is 1."""
    dilation: Annotated[int, Field(ge=1)] = 1
    groups: Annotated[int, Field(ge=1)] = 1
    """Groups of every convolution but the first, which sees the image; must divide all widths."""
    batch_norm: bool = True
    activation: Literal["relu", "leaky_relu", "tanh", "sigmoid"] = "relu"
    pooling: Literal["max", "average", "none"] = "max"
    """Pooling between blocks, which halves the image."""
    head: Literal["global", "flatten"] = "global"
    """global: the mean over each feature map; flatten: every position of every map."""
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Widths of fully connected layers before the last."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before each fully connected layer."""

    @model_validator(mode="after")
    def _consistent(self) -> Params:
        if isinstance(self.kernel_px, tuple) and len(self.kernel_px) != len(self.widths):
            raise PydanticCustomError("kernels", "as many kernel_px as widths, or a single number")
        if any(width % self.groups for width in self.widths):
            raise PydanticCustomError("groups", "groups that divide every width")
        return self


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Build a network from n c h w floats of `shape` (height, width, channels) to logits."""
    from torch import nn

    from pipeline.models.layers.pooling import GlobalMean
    from pipeline.models.smallest_input import output_shape

    layers: list[nn.Module] = []
    channels = shape[2]
    for block, width in enumerate(params.widths):
        if block and params.pooling != "none":
            # Rounding up never pools a small image to nothing.
            pooling = nn.MaxPool2d if params.pooling == "max" else nn.AvgPool2d
            layers.append(pooling(2, ceil_mode=True))
        for conv in range(params.convs_per_block):
            layers += _convolution(params, block, channels, width, is_first=not conv)
            channels = width
    layers += [GlobalMean()] if params.head == "global" else []
    layers.append(nn.Flatten())
    (num_features,) = output_shape(nn.Sequential(*layers), shape, "cnn")
    for width in params.hidden:
        layers += [nn.Dropout(params.dropout), nn.Linear(num_features, width)]
        layers.append(_activation(params))
        num_features = width
    return nn.Sequential(*layers, nn.Dropout(params.dropout), nn.Linear(num_features, num_outputs))


def _convolution(
    params: Params, block: int, num_in: int, num_out: int, *, is_first: bool
) -> list[nn.Module]:
    """Return a convolution with its norm and activation."""
    from torch import nn

    kernels = params.kernel_px
    kernel_px = kernels if isinstance(kernels, int) else kernels[block]
    reach_px = params.dilation * (kernel_px - 1) // 2
    convolution = nn.Conv2d(
        num_in,
        num_out,
        kernel_px,
        stride=params.stride if is_first else 1,
        padding=reach_px if params.padding == "same" else params.padding,
        dilation=params.dilation,
        groups=1 if is_first and not block else params.groups,
        bias=not params.batch_norm,
    )
    norm: list[nn.Module] = [nn.BatchNorm2d(num_out)] if params.batch_norm else []
    return [convolution, *norm, _activation(params)]


def _activation(params: Params) -> nn.Module:
    from torch import nn

    if params.activation in ("relu", "leaky_relu"):
        return (nn.ReLU if params.activation == "relu" else nn.LeakyReLU)(inplace=True)
    return nn.Tanh() if params.activation == "tanh" else nn.Sigmoid()
