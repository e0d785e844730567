"""Fast network for small images, after one that reaches 94 % on CIFAR-10 in 3.29 s on an A100.

K. Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024, section 3. Convolutions start as
the identity, norms have no scale to learn, and the logits are scaled down. The first layer differs
from the paper's: see `Whitening`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:
    from torch import nn

THREE_HALVINGS_PX = 9  # the smallest side that leaves a pixel after each of them


class Params(Component):
    """Three groups of two convolutions; each halves the image."""

    widths: tuple[
        Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]
    ] = (64, 256, 256)
    logit_scale: Annotated[float, Field(gt=0)] = 1 / 9


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Build a network from n c h w floats of `shape` (height, width, channels) to logits."""
    from torch import nn

    from pipeline.models.layers.scale import ConstantScale
    from pipeline.models.layers.shift_norm import shift_norm
    from pipeline.models.layers.whitening import Whitening
    from pipeline.models.smallest_input import output_shape

    whitening = Whitening(shape[2])
    ceil_mode = min(shape[:2]) < THREE_HALVINGS_PX
    layers: list[nn.Module] = [whitening, nn.GELU()]
    channels = 2 * len(whitening.basis)
    for width in params.widths:
        layers += [_identity_convolution(channels, width), nn.MaxPool2d(2, ceil_mode=ceil_mode)]
        layers += [shift_norm(width), nn.GELU()]
        layers += [_identity_convolution(width, width), shift_norm(width), nn.GELU()]
        channels = width
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, num_outputs, bias=False)]
    body = nn.Sequential(*layers, *head, ConstantScale(params.logit_scale))
    output_shape(body, shape, "airbench")
    return body


def _identity_convolution(num_in: int, num_out: int) -> nn.Conv2d:
    """Return a convolution that passes its input on; further outputs start at random."""
    from torch import nn

    convolution = nn.Conv2d(num_in, num_out, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[:num_in])
    return convolution
