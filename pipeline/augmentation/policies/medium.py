"""Flips, moderate geometry and moderate colour: a safe start for photographs of objects.

The strengths are about half of those with which TorchVision trains ImageNet classifiers. Mirror
images are assumed to mean the same, so it is not for text, digits or scenes with a left and a
right.
"""

from typing import Annotated, Any

from pydantic import Field

from pipeline.core.component import Component


class Params(Component):
    """How far an image may move and change; each draw is uniform within these bounds."""

    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest shift to either side, as a fraction of the image's width and height."""
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Range of scale; 0.15 draws a factor from 0.85 to 1.15."""
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """Range of brightness, contrast and saturation; hue varies by a tenth of it."""


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:  # noqa: ARG001
    from pipeline.augmentation.backend import A

    jitter = (1 - params.jitter, 1 + params.jitter)
    return [
        A.HorizontalFlip(p=params.flip_probability),
        A.Affine(
            translate_percent=(-params.shift, params.shift),
            rotate=(-params.rotate_degrees, params.rotate_degrees),
            scale=(1 - params.scale, 1 + params.scale),
            p=0.8,
        ),
        A.ColorJitter(
            brightness=jitter,
            contrast=jitter,
            saturation=jitter,
            hue=(-params.jitter / 10, params.jitter / 10),
            p=0.8,
        ),
    ]
