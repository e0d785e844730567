"""Pad, crop at a random place and mirror half of the images: standard for small photographs.

As in K. He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2; the hole is
that of T. DeVries and G. W. Taylor, Improved Regularization of Convolutional Neural Networks with
Cutout, 2017. With `crop_px` 224 and `pad_px` 0 it is the usual crop of images stored at 256 px.
Every transform here takes the fast path.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.core.component import Component
from pipeline.core.errors import UserError


class Params(Component):
    """How far the crop may move, how often the image is mirrored, and what is cut out."""

    pad_px: Annotated[int, Field(ge=0)] = 2
    """Padding on each side; black, or the image mirrored about its edge."""
    pad_mode: Literal["constant", "reflect"] = "constant"
    crop_px: Annotated[int, Field(gt=0)] | None = None
    """The side of the crop that training sees; null keeps the stored height and width."""
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    vertical_flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    cutout_px: Annotated[int, Field(ge=0)] = 0
    """The side of a black square in each image; 0 cuts nothing."""


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:
    import cv2

    from pipeline.augmentation.backend import A

    pad = params.pad_px
    height = params.crop_px or height_px
    width = params.crop_px or width_px
    if height > height_px + 2 * pad or width > width_px + 2 * pad:
        raise UserError(
            f"augmentation.policy.crop_px: got {params.crop_px}; allowed at most "
            f"{min(height_px, width_px) + 2 * pad}, the image's shorter side with its padding"
        )
    if params.pad_mode == "reflect" and pad >= min(height_px, width_px):
        raise UserError(
            f"augmentation.policy.pad_px: got {pad}; allowed at most "
            f"{min(height_px, width_px) - 1} with pad_mode reflect, less than the image's "
            "shorter side"
        )
    borders = {"constant": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101}
    steps = [
        A.Pad(padding=pad, border_mode=borders[params.pad_mode], p=1.0),
        A.RandomCrop(height=height, width=width, p=1.0),
        A.HorizontalFlip(p=params.flip_probability),
        A.VerticalFlip(p=params.vertical_flip_probability),
    ]
    return steps + _cutout(params.cutout_px, min(height, width))


def _cutout(side_px: int, limit_px: int) -> list[Any]:
    from pipeline.augmentation.backend import A

    if side_px > limit_px:
        raise UserError(
            f"augmentation.policy.cutout_px: got {side_px}; allowed at most {limit_px}, the "
            "image's shorter side"
        )
    side = (side_px, side_px)
    hole = A.CoarseDropout(
        num_holes_range=(1, 1), hole_height_range=side, hole_width_range=side, fill=0, p=1.0
    )
    return [hole] if side_px else []
