"""Draw the random numbers of the fast path for each image of a batch."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt64

from pipeline.augmentation.counter import States, below, halves, states
from pipeline.augmentation.plan import Cutout, Plan


@dataclass(frozen=True)
class Draws:
    """The drawn numbers of each image."""

    tops: Int[np.ndarray, " n"]
    """First row of the crop in the padded image, px."""
    lefts: Int[np.ndarray, " n"]
    mirrored: Bool[np.ndarray, " n"]
    upended: Bool[np.ndarray, " n"]
    holes: Int[np.ndarray, "n m 4"]
    """x_min, y_min, x_max, y_max in the finished image, px, ends excluded; zeros for no hole."""


def draw(
    plan: Plan,
    seed: int,
    epoch: int,
    keys: UInt64[np.ndarray, " n"],
    copies: Int[np.ndarray, " n"] | None = None,
) -> Draws:
    """Draw numbers that are uniform, independent, and each a function of its sample alone."""
    state = states(seed, epoch, keys, copies)
    for_top, for_left = halves(state, 0)
    for_mirror, for_upend = halves(state, 1)
    return Draws(
        below(for_top, len(plan.rows) - plan.crop[0] + 1),
        below(for_left, len(plan.columns) - plan.crop[1] + 1),
        _happens(for_mirror, plan.mirror),
        _happens(for_upend, plan.upend),
        _holes(plan.cutout, plan.crop, state),
    )


def _happens(half: UInt64[np.ndarray, " n"], probability: float) -> Bool[np.ndarray, " n"]:
    return half < np.uint64(round(probability * 2**32))


def _holes(cutout: Cutout | None, size: tuple[int, int], state: States) -> Int[np.ndarray, "n m 4"]:
    """Draw the number of holes, then a size and a place for each."""
    if not cutout:
        return np.zeros((len(state), 0, 4), np.int64)
    for_any, for_number = halves(state, 2)
    low, high = cutout.num_holes
    num = np.where(
        _happens(for_any, cutout.probability), low + below(for_number, high - low + 1), 0
    )
    holes = np.stack([_hole(cutout, size, state, 3 + 2 * k) for k in range(high)], axis=1)
    return np.where((np.arange(high) < num[:, None])[..., None], holes, 0)


def _hole(
    cutout: Cutout, size: tuple[int, int], state: States, index: int
) -> Int[np.ndarray, "n 4"]:
    """Draw one hole for each image, wholly inside it, from words `index` and `index` + 1."""
    for_height, for_width = halves(state, index)
    heights = _within(cutout.heights_px, for_height)
    widths = _within(cutout.widths_px, for_width)
    for_y, for_x = halves(state, index + 1)
    y, x = below(for_y, size[0] - heights + 1), below(for_x, size[1] - widths + 1)
    return np.stack([x, y, x + widths, y + heights], axis=1)


def _within(limits: tuple[int, int], half: UInt64[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    return limits[0] + below(half, limits[1] - limits[0] + 1)
