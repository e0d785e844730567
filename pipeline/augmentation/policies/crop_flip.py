"""Pad, crop back at a random place, mirror half of the images: the standard for small images.

As in K. He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2.
"""

from typing import Annotated, Any

import albumentations as A  # noqa: N812  # the library's own convention
from pydantic import Field

from pipeline.component import Component


class Params(Component):
    """How far the crop may move and how often the image is mirrored."""

    pad_px: Annotated[int, Field(ge=0)] = 2
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:
    pad = params.pad_px
    return [
        A.Pad(padding=pad, p=1.0),
        A.RandomCrop(height=height_px, width=width_px, p=1.0),
        A.HorizontalFlip(p=params.flip_probability),
    ]
