"""The differences between two scans of one patient: pose, tissue, exposure and noise.

Small rotations and shifts model the pose, elastic deformation models soft tissue (O. Ronneberger
et al., U-Net, 2015), and brightness, contrast and Gaussian noise model the device. Hue and
saturation do not change: in stained slides and skin they carry the finding. Images are not mirrored
unless requested: the heart is on the left. There is no cutout: it could remove a small finding
and keep its label.
"""

from typing import Annotated, Any

from pydantic import Field

from pipeline.core.component import Component


class Params(Component):
    """How far a scan may change; each draw is uniform within these bounds."""

    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 10.0
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Largest shift to either side, as a fraction of the image's width and height."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1
    displacement: Annotated[float, Field(ge=0, le=0.2)] = 0.015
    """Standard deviation of the elastic deformation, in sides of the image."""
    exposure: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Range of brightness and contrast, up and down."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.04
    """The largest standard deviation of the noise, as a fraction of white."""
    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability of a flip; for organs without a side, such as skin or an unknown eye's retina."""


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:
    from pipeline.augmentation.backend import A
    from pipeline.augmentation.elastic import elastic

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
