"""TrivialAugment, wide: one operation per image, of any strength. There is nothing to tune.

S. G. Müller and F. Hutter, TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation,
2021, table 1, "wide".
"""

import math
from typing import Any

from pipeline.core.component import Component

SHIFT_PX = 32  # for images of 32 px it may leave nothing, so it is limited to half of the image


class Params(Component):
    """No settings."""


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:  # noqa: ARG001
    from pipeline.augmentation.backend import A
    from pipeline.augmentation.operations import Space, directed, undirected

    space = Space(
        shear_degrees=math.degrees(math.atan(0.99)),
        shift=(min(SHIFT_PX / width_px, 0.5), min(SHIFT_PX / height_px, 0.5)),
        rotate_degrees=135.0,
        factor=0.99,
        fewest_bits=2,
    )
    return [A.OneOf([*undirected(space, 0.0, 1.0), *directed(space, -1.0, 1.0)], p=1.0)]
