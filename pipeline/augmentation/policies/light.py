"""Small shifts, rotations and scalings: for images whose mirror image means something else."""

from typing import Annotated, Any

from pydantic import Field

from pipeline.core.component import Component


class Params(Component):
    """How far an image may move; each draw is uniform within these bounds."""

    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    """Largest shift to either side, as a fraction of the image's width and height."""
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 10.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Range of scale; 0.1 draws a factor from 0.9 to 1.1."""
    probability: Annotated[float, Field(ge=0, le=1)] = 0.9


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:  # noqa: ARG001
    from pipeline.augmentation.backend import A

    return [
        A.Affine(
            translate_percent=(-params.shift, params.shift),
            rotate=(-params.rotate_degrees, params.rotate_degrees),
            scale=(1 - params.scale, 1 + params.scale),
            p=params.probability,
        )
    ]
