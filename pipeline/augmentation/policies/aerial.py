"""For pictures from above: there is no up, so every turn and reflection is equally likely.

The policy draws all eight symmetries of the square (four, without quarter turns, if the image is
not square), as T. S. Cohen and M. Welling, Group Equivariant Convolutional Networks, 2016, build
them into the network itself. Shadows and haze stay mild: they differ between two flights over one
field. Haze is what the air adds by Koschmieder's law: less contrast, and some of the sky's white.
Nothing assumes a horizon: shadows fall anywhere, and haze is equally thick everywhere.
"""

from typing import Annotated, Any

from pydantic import Field

from pipeline.core.component import Component

HAZE = 0.2  # the largest share of the light that comes from the air


class Params(Component):
    """How much light and air may differ between two pictures of one place."""

    exposure: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Range of brightness and contrast, up and down."""
    shadow_probability: Annotated[float, Field(ge=0, le=1)] = 0.2
    haze_probability: Annotated[float, Field(ge=0, le=1)] = 0.2
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Range of scale, for different flight heights; 0.1 draws a factor from 0.9 to 1.1."""


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:
    from pipeline.augmentation.backend import A

    exposure = (-params.exposure, params.exposure)
    is_square = height_px == width_px
    symmetries = [A.D4(p=1.0)] if is_square else [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]
    shadow = A.RandomShadow(
        shadow_roi=(0, 0, 1, 1),
        shadow_intensity_range=(0.2, 0.4),
        p=params.shadow_probability,
    )
    return [
        *symmetries,
        A.Affine(scale=(1 - params.scale, 1 + params.scale), border_mode=4, p=0.5),
        A.RandomBrightnessContrast(brightness_limit=exposure, contrast_limit=exposure, p=0.5),
        shadow,
        A.RandomBrightnessContrast((0.0, HAZE), (-HAZE, 0.0), p=params.haze_probability),
    ]
