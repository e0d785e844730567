"""The fourteen operations that RandAugment and TrivialAugment choose from.

E. D. Cubuk et al., RandAugment: Practical automated data augmentation with a reduced search space,
2020, figure 2; scaled as in TorchVision. They are albumentations transforms, with two departures:
sharpness is only ever raised, and pixels from outside the image are mid grey.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.augmentation.backend import A

GREY = 127
ONCE = (1.0, 1.0)


@dataclass(frozen=True)
class Space:
    """The extent of each operation at strength 1."""

    shear_degrees: float
    shift: tuple[float, float]
    """Fractions of the width and of the height."""
    rotate_degrees: float
    factor: float
    """Range of brightness, contrast, saturation and sharpness: from 1 − factor to 1 + factor."""
    fewest_bits: int
    """The fewest bits that posterize leaves of each pixel."""


def directed(space: Space, low: float, high: float) -> list[Any]:
    """Return the operations that have a direction, with strengths uniform in low..high.

    Strengths are within −1..1. Each operation is a transform of probability 1.
    """
    return [
        *_geometric(space, low, high),
        *_coloured(1 + low * space.factor, 1 + high * space.factor),
    ]


def undirected(space: Space, low: float, high: float) -> list[Any]:
    """Return the other operations, with strengths uniform in low..high, within 0..1."""
    bits = [round(8 - strength * (8 - space.fewest_bits)) for strength in (high, low)]
    sharpen = tuple(strength * space.factor / 13 for strength in (low, high))  # Pillow's kernel
    return [
        A.NoOp(p=1.0),
        A.AutoContrast(method="pil", p=1.0),
        A.Equalize(p=1.0),
        A.Posterize(num_bits=(bits[0], bits[1]), p=1.0),
        A.Solarize(threshold_range=(1 - high, 1 - low), p=1.0),
        A.Sharpen(alpha=sharpen, lightness=ONCE, p=1.0),
    ]


def _geometric(space: Space, low: float, high: float) -> list[Any]:
    def upto(most: float) -> tuple[float, float]:
        return low * most, high * most

    still = (0.0, 0.0)
    shift_x, shift_y = map(upto, space.shift)
    shear = upto(space.shear_degrees)
    settings: list[dict[str, Any]] = [
        {"rotate": upto(space.rotate_degrees)},
        {"shear": {"x": shear, "y": still}},
        {"shear": {"x": still, "y": shear}},
        {"translate_percent": {"x": shift_x, "y": still}},
        {"translate_percent": {"x": still, "y": shift_y}},
    ]
    return [A.Affine(**one, fill=GREY, p=1.0) for one in settings]


def _coloured(low: float, high: float) -> list[Any]:
    still = {"brightness": ONCE, "contrast": ONCE, "saturation": ONCE, "hue": (0.0, 0.0)}
    kinds = ("brightness", "contrast", "saturation")
    return [A.ColorJitter(**{**still, kind: (low, high)}, p=1.0) for kind in kinds]
