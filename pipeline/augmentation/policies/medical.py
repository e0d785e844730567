"""What differs between two scans of one patient: pose, tissue, exposure and noise.

Small rotations and shifts for the pose; elastic deformation for soft tissue (O. Ronneberger et
al., U-Net, 2015); brightness, contrast and Gaussian noise for the device. No hue or saturation:
in stained slides and skin they carry the finding. No mirroring unless asked for: the heart is on
the left. No cutout: a small finding must not be cut away with its label left.
"""

from typing import Annotated, Any

import albumentations as A  # noqa: N812  # the library's own convention
from pydantic import Field

from pipeline.augmentation.policies._elastic import elastic
from pipeline.component import Component


class Params(Component):
    """How far a scan may differ from itself; each draw is uniform within these bounds."""

    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 10.0
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Fraction of the image's width and height, to either side."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1
    displacement: Annotated[float, Field(ge=0, le=0.2)] = 0.015
    """Of the elastic deformation: standard deviation, in sides of the image."""
    exposure: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Of brightness and contrast, up and down."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.04
    """The largest standard deviation, as a fraction of white."""
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    """For organs without a side, such as skin or the retina of an unknown eye."""


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:
    exposure = (-params.exposure, params.exposure)
    return [
        A.HorizontalFlip(p=params.flip_probability),
        A.Affine(
            translate_percent=(-params.shift, params.shift),
            rotate=(-params.rotate_degrees, params.rotate_degrees),
            scale=(1 - params.scale, 1 + params.scale),
            p=0.8,
        ),
        elastic(params.displacement, height_px, width_px, 0.3),
        A.RandomBrightnessContrast(brightness_limit=exposure, contrast_limit=exposure, p=0.5),
        A.GaussNoise(std_range=(0.0, params.noise), p=0.3),
    ]
