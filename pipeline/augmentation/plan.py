"""Decide whether the fast path can follow a frozen policy, and what it draws.

The fast path knows pad, random crop, flips and cutout, each at most once and in this order.
Anything else is left to albumentations, one image at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

MODES = {0: "constant", 1: "edge", 2: "symmetric", 3: "wrap", 4: "reflect"}
"""OpenCV's border modes, which albumentations uses, with their names in numpy."""

Range = tuple[int, int]  # both ends included


@dataclass(frozen=True)
class Cutout:
    """CoarseDropout with holes in pixels and one fill."""

    probability: float
    num_holes: Range
    heights_px: Range
    widths_px: Range
    fill: UInt8[np.ndarray, " c"]


@dataclass(frozen=True)
class Plan:
    """The operations on each image, in this order: pad, crop, mirror, upend, cut out."""

    rows: Int[np.ndarray, " h1"]
    """The image's row that each row of the padded image repeats; −1 for fill."""
    columns: Int[np.ndarray, " w1"]
    origin: tuple[int, int]
    """Row and column of the padded image at which the image itself begins."""
    fill: UInt8[np.ndarray, " c"]
    crop: tuple[int, int]
    """Height and width of the crop; those of the padded image if nothing is cropped."""
    mirror: float = 0.0
    """Probability of a horizontal flip."""
    upend: float = 0.0
    """Probability of a vertical flip."""
    cutout: Cutout | None = None


class _OtherError(Exception):
    """The policy needs something that the fast path does not support."""


def plan_of(policy: dict[str, Any], image_shape: tuple[int, ...]) -> Plan | None:
    """Return the plan of a policy as albumentations serialises it; None for the slow path."""
    height, width, channels = image_shape
    fill = np.zeros(channels, np.uint8)
    plan = Plan(np.arange(height), np.arange(width), (0, 0), fill, (height, width))
    compose = policy["transform"]
    transforms = {t["__class_fullname__"]: t for t in compose["transforms"]}
    try:
        _require(compose["p"] == 1 and len(transforms) == len(compose["transforms"]))
        _require(all(name in STEPS for name in transforms))
        places = [STEPS[name][0] for name in transforms]
        _require(places == sorted(places))
        for name, given in transforms.items():
            plan = STEPS[name][1](plan, given)
    except _OtherError:
        return None
    return plan


def _pad(plan: Plan, given: dict[str, Any]) -> Plan:
    left, top, right, bottom = _sides(given["padding"])
    mode = MODES[given["border_mode"]]
    _require(given["p"] == 1)
    rows = _border(plan.rows, (top, bottom), mode)
    columns = _border(plan.columns, (left, right), mode)
    fill, size = _fill(given["fill"], len(plan.fill)), (len(rows), len(columns))
    return replace(plan, rows=rows, columns=columns, origin=(top, left), fill=fill, crop=size)


def _crop(plan: Plan, given: dict[str, Any]) -> Plan:
    crop = given["height"], given["width"]
    _require(given["p"] == 1 and crop[0] <= plan.crop[0] and crop[1] <= plan.crop[1])
    return replace(plan, crop=crop)


def _mirror(plan: Plan, given: dict[str, Any]) -> Plan:
    return replace(plan, mirror=given["p"])


def _upend(plan: Plan, given: dict[str, Any]) -> Plan:
    return replace(plan, upend=given["p"])


def _cutout(plan: Plan, given: dict[str, Any]) -> Plan:
    heights, widths = given["hole_height_range"], given["hole_width_range"]
    cutout = Cutout(
        given["p"],
        tuple(given["num_holes_range"]),
        _pixels(heights, plan.crop[0]),
        _pixels(widths, plan.crop[1]),
        _fill(given["fill"], len(plan.fill)),
    )
    return replace(plan, cutout=cutout)


STEPS: dict[str, tuple[int, Callable[[Plan, dict[str, Any]], Plan]]] = {
    "Pad": (0, _pad),
    "RandomCrop": (1, _crop),
    "HorizontalFlip": (2, _mirror),
    "VerticalFlip": (2, _upend),  # flips commute
    "CoarseDropout": (3, _cutout),
}
"""The position of each transform in the order, and the function that adds it to the plan."""


def _require(possible: bool) -> None:
    if not possible:
        raise _OtherError


def _sides(padding: Any) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom, from any of albumentations' three notations."""
    if isinstance(padding, int):
        return (padding,) * 4
    x, y = padding[:2]
    return (x, y, x, y) if len(padding) == 2 else tuple(padding)


def _border(line: Int[np.ndarray, " s"], sides: Range, mode: str) -> Int[np.ndarray, " t"]:
    if mode == "constant":
        return np.pad(line, sides, constant_values=-1)
    _require(max(sides) < len(line))  # beyond this, OpenCV and numpy may repeat differently
    return np.pad(line, sides, mode)  # type: ignore[call-overload, no-any-return]


def _fill(given: Any, num_channels: int) -> UInt8[np.ndarray, " c"]:
    _require(not isinstance(given, str) and np.size(given) in (1, num_channels))
    fill = np.broadcast_to(np.asarray(given, float), num_channels)
    _require(bool(((fill >= 0) & (fill <= 255) & (fill % 1 == 0)).all()))
    return fill.astype(np.uint8)


def _pixels(given: Any, limit: int) -> Range:
    """Return a range in pixels; albumentations reads a range that ends below 1 as fractions."""
    low, high = given
    _require(1 <= low <= limit and low % 1 == 0 and high % 1 == 0)
    return int(low), min(int(high), limit)
