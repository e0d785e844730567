"""LeNet-5, the network that read the digits on cheques.

Y. LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998, section II.B. As
taught today, pooling has no weights, every map of C3 sees all maps of S2, and the output is linear
instead of distances to drawn characters. A grey image and 10 classes give 61,706 weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.core.component import Component

if TYPE_CHECKING:
    from torch import nn

FIELD_PX = 32  # the paper centres digits of 28 px in it, so that strokes may end at the border


class Params(Component):
    """The choices that differ between courses."""

    activation: Literal["tanh", "sigmoid", "relu"] = "tanh"
    pooling: Literal["average", "max"] = "average"


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Build a network from n c h w floats of `shape` (height, width, channels) to logits."""
    from torch import nn

    from pipeline.models.smallest_input import output_shape

    activation = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}[params.activation]
    pooling = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}[params.pooling]
    features = nn.Sequential(
        _centre(*shape[:2]),
        *(nn.Conv2d(shape[2], 6, 5), activation(), pooling(2)),
        *(nn.Conv2d(6, 16, 5), activation(), pooling(2)),
        nn.Flatten(),
    )
    (num_features,) = output_shape(features, shape, "lenet")
    head = (nn.Linear(num_features, 120), activation(), nn.Linear(120, 84), activation())
    return nn.Sequential(*features, *head, nn.Linear(84, num_outputs))


def _centre(height_px: int, width_px: int) -> nn.Module:
    """Return a layer that centres smaller images in the field; larger ones keep their size."""
    from torch import nn

    top, left = (max(0, FIELD_PX - side) // 2 for side in (height_px, width_px))
    bottom, right = (
        max(0, FIELD_PX - side - first) for side, first in ((height_px, top), (width_px, left))
    )
    return nn.ZeroPad2d((left, right, top, bottom))
