"""RandAugment: a few operations drawn at random, all with the same magnitude.

E. D. Cubuk et al., RandAugment, 2020: two numbers to tune instead of a policy to search for.
Magnitudes 0..30 and their meaning are those of TorchVision.
"""

import math
from typing import Annotated, Any

from pydantic import Field

from pipeline.core.component import Component

LARGEST = 30


class Params(Component):
    """The number of operations, and their strength."""

    num_ops: Annotated[int, Field(ge=1, le=14)] = 2
    """Number of operations per image; one may occur twice."""
    magnitude: Annotated[int, Field(ge=0, le=30)] = 9


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:  # noqa: ARG001
    from pipeline.augmentation.backend import A
    from pipeline.augmentation.operations import Space, directed, undirected

    space = Space(
        shear_degrees=math.degrees(math.atan(0.3)),
        shift=(150 / 331, 150 / 331),
        rotate_degrees=30.0,
        factor=0.9,
        fewest_bits=4,
    )
    strength = params.magnitude / LARGEST
    both = zip(
        directed(space, strength, strength), directed(space, -strength, -strength), strict=True
    )
    either_way = [A.OneOf([up, down], p=1.0) for up, down in both]
    operations = [*undirected(space, strength, strength), *either_way]
    return [A.RandomOrder(operations, n=params.num_ops, replace=True, p=1.0)]
