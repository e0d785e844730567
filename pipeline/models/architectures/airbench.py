"""Fast network for small images, after one that reaches 94 % on CIFAR-10 in 3.29 s on an A100.

K. Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024, section 3. Convolutions start as
the identity, norms have no scale to learn, and the logits are scaled down.

One thing differs. The paper's first layer whitens 2 × 2 patches by their principal components,
which it computes from the training images; here, a network is built without images. The components
of natural images are nearly a cosine transform, of the patch and of the colours (brightness, red
against blue, green against both). So that basis is fixed, and a batch norm after it brings each
coefficient to variance 1, which replaces the division by the eigenvalues.
"""

import math
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pipeline.core.component import Component
from pipeline.models.smallest_input import output_shape

PATCH_PX = 2
THREE_HALVINGS_PX = 9  # the smallest side that leaves a pixel after each of them


class Params(Component):
    """Three groups of two convolutions; each halves the image."""

    widths: tuple[
        Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]
    ] = (64, 256, 256)
    logit_scale: Annotated[float, Field(gt=0)] = 1 / 9


class Whitening(nn.Module):
    """Coefficients of every patch, with variance 1, in both signs, since GELU keeps only one."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        patch = cosines(PATCH_PX)
        basis = torch.einsum("ac,ih,jw->aijchw", cosines(num_channels), patch, patch)
        self.register_buffer("basis", basis.reshape(-1, num_channels, PATCH_PX, PATCH_PX))
        self.norm = _norm(len(self.basis))

    basis: Tensor

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        coefficients: Tensor = self.norm(nn.functional.conv2d(images, self.basis))
        return torch.cat([coefficients, -coefficients], dim=1)


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        return logits * self.factor


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Build a network from n c h w floats of `shape` (height, width, channels) to logits."""
    whitening = Whitening(shape[2])
    ceil_mode = min(shape[:2]) < THREE_HALVINGS_PX
    layers: list[nn.Module] = [whitening, nn.GELU()]
    channels = 2 * len(whitening.basis)
    for width in params.widths:
        layers += [_identity_convolution(channels, width), nn.MaxPool2d(2, ceil_mode=ceil_mode)]
        layers += [_norm(width), nn.GELU()]
        layers += [_identity_convolution(width, width), _norm(width), nn.GELU()]
        channels = width
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, num_outputs, bias=False)]
    body = nn.Sequential(*layers, *head, Scale(params.logit_scale))
    output_shape(body, shape, "airbench")
    return body


def cosines(size: int) -> Float[Tensor, "{size} {size}"]:
    """Return the orthonormal cosine transform (DCT-II), whose row i is the i-th frequency.

    N. Ahmed et al., Discrete Cosine Transform, 1974.
    """
    frequency, place = torch.arange(size)[:, None], torch.arange(size)[None]
    rows = torch.cos(math.pi * frequency * (place + 0.5) / size)
    basis: Tensor = rows / rows.norm(dim=1, keepdim=True)
    return basis


def _identity_convolution(num_in: int, num_out: int) -> nn.Conv2d:
    """Return a convolution that passes its input on; further outputs start at random."""
    convolution = nn.Conv2d(num_in, num_out, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[:num_in])
    return convolution


def _norm(num_channels: int) -> nn.BatchNorm2d:
    """Return a batch norm that learns only its shift: its scale is a buffer, not a parameter."""
    norm = nn.BatchNorm2d(num_channels, momentum=0.4)
    del norm.weight
    norm.register_buffer("weight", torch.ones(num_channels))
    return norm
