"""Everything that photographs of objects tolerate: for long training, or few images.

A crop of random area as in C. Szegedy et al., Going Deeper with Convolutions, 2015; cutout as in
T. DeVries and G. W. Taylor, 2017; noise, blur and elastic deformation (P. Simard et al., Best
Practices for Convolutional Neural Networks, 2003) each in some of the images only, since a network
should mostly see images like those it will be tested on.
"""

from typing import Annotated, Any

from pydantic import Field

from pipeline.core.component import Component


class Params(Component):
    """How much of an image must remain, and how far it may change."""

    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    smallest_area: Annotated[float, Field(gt=0, le=1)] = 0.4
    """The smallest share of the image that its crop may show."""
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 25.0
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.4
    """Range of brightness, contrast and saturation; hue varies by a tenth of it."""
    cutout: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """The largest side of the hole, as a fraction of the image's."""


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:
    from pipeline.augmentation.backend import A
    from pipeline.augmentation.elastic import elastic

    jitter = (1 - params.jitter, 1 + params.jitter)
    hue = (-params.jitter / 10, params.jitter / 10)
    side = (params.cutout / 3, params.cutout)
    return [
        A.RandomResizedCrop(
            size=(height_px, width_px),
            scale=(params.smallest_area, 1.0),
            ratio=(3 / 4, 4 / 3),
            p=0.8,
        ),
        A.HorizontalFlip(p=params.flip_probability),
        A.Affine(rotate=(-params.rotate_degrees, params.rotate_degrees), shear=(-10, 10), p=0.5),
        A.ColorJitter(
            brightness=jitter,
            contrast=jitter,
            saturation=jitter,
            hue=hue,
            p=0.8,
        ),
        A.OneOf(
            [
                A.GaussNoise(std_range=(0.02, 0.1), p=1.0),
                A.GaussianBlur(blur_limit=(3, 3), p=1.0),
                elastic(0.02, height_px, width_px, 1.0),
            ],
            p=0.4,
        ),
        A.CoarseDropout(
            num_holes_range=(1, 1), hole_height_range=side, hole_width_range=side, fill=0, p=0.4
        ),
    ]
