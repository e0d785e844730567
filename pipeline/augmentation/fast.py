"""Pad, crop, flip and cut out a whole batch at once, as uint8 on the CPU.

The pixels are those that albumentations makes from the same drawn numbers, many times as fast for
small images (bench/results/augmentation.md). Normalisation, which would be the most expensive step
here, is left to the network, on its device. `device.py` follows the same draws on an accelerator.

The speed comes from numpy copying an item of any length at once: rows, images and whatever lies
between two pixels are copied as single items; pixel by pixel would take ten times as long.
"""

import cv2
import numpy as np
from jaxtyping import UInt8

from pipeline.augmentation.draws import Draws
from pipeline.augmentation.plan import Plan

BLOCK_BYTES = 2**20  # images per block: they and their copies stay in a core's cache

Repeats = list[tuple[int, int]]  # a row (or column) of the padded image, and the one it repeats


def apply(
    images: UInt8[np.ndarray, "n h w c"], draws: Draws, plan: Plan
) -> UInt8[np.ndarray, "n h2 w2 c"]:
    """Return new images; the input is not changed."""
    num, height, width, channels = images.shape
    out = np.empty((num, *plan.crop, channels), np.uint8)
    size = max(1, BLOCK_BYTES // (height * width * channels))
    pad = _Padding(plan, min(size, num), (height, width))
    for start in range(0, num, size):
        block = slice(start, start + size)
        _crop(pad(images[block]), draws.tops[block], draws.lefts[block], out[block])
        _flip(out[block], draws.mirrored[block], draws.upended[block])
    if plan.cutout:
        _cut(out, draws.holes, plan.cutout.fill)
    return out


class _Padding:
    """A buffer for padded images, whose constant parts are written once."""

    def __init__(self, plan: Plan, num: int, size: tuple[int, int]) -> None:
        self._is_none = (len(plan.rows), len(plan.columns)) == size
        self._top, self._left = plan.origin
        self._rows = _repeats(plan.rows, self._top, size[0])
        self._columns = _repeats(plan.columns, self._left, size[1])
        self._room = np.empty((num, len(plan.rows), len(plan.columns), len(plan.fill)), np.uint8)
        _rows(self._room)[...] = _item(np.tile(plan.fill, len(plan.columns)))

    def __call__(self, images: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h1 w1 c"]:
        if self._is_none:
            return np.ascontiguousarray(images)
        num, height, width, channels = images.shape
        padded = self._room[:num]
        middle = padded[:, self._top : self._top + height]
        _rows(middle[:, :, self._left : self._left + width])[...] = _rows(images)
        pixels = middle.view(f"V{channels}")
        for to, source in self._columns:
            pixels[:, :, to] = pixels[:, :, source]
        for to, source in self._rows:
            padded[:, to] = padded[:, source]
        return padded


def _repeats(line: np.ndarray, start: int, size: int) -> Repeats:
    """Return the part of `line` outside start..start+size−1 that is not fill."""
    outside = [i for i in range(len(line)) if not start <= i < start + size]
    return [(i, start + int(line[i])) for i in outside if line[i] >= 0]


def _crop(
    padded: UInt8[np.ndarray, "n h1 w1 c"], tops: np.ndarray, lefts: np.ndarray, out: np.ndarray
) -> None:
    """Fill `out` with windows of the padded images.

    A window is first copied from its first pixel to its last, including what lies between its rows,
    and then row by row.
    """
    num, height, width, channels = padded.shape
    line = width * channels
    length = (out.shape[1] - 1) * line + out.shape[2] * channels
    windows = _runs(padded, length)[(np.arange(num) * height + tops) * line + lefts * channels]
    row = f"V{out.shape[2] * channels}"
    _rows(out)[...] = np.ndarray(out.shape[:2], row, windows.data, strides=(length, line))


def _flip(images: UInt8[np.ndarray, "n h w c"], mirrored: np.ndarray, upended: np.ndarray) -> None:
    """Flip in place. OpenCV mirrors rows without knowing where an image ends: all at once."""
    num, _, width, channels = images.shape
    items = _item(images.reshape(num, -1))
    if len(chosen := np.flatnonzero(mirrored)):
        rows = items[chosen].view(np.uint8).reshape(-1, width, channels)
        items[chosen] = _item(cv2.flip(rows, 1).reshape(len(chosen), -1))
    if len(chosen := np.flatnonzero(upended)):
        images[chosen] = images[chosen][:, ::-1]


def _cut(images: UInt8[np.ndarray, "n h w c"], holes: np.ndarray, fill: np.ndarray) -> None:
    """Write the fill, row by row for every hole."""
    _, height, width, channels = images.shape
    image, place = np.nonzero(holes[..., 2])
    x_min, y_min, x_max, y_max = holes[image, place].T
    num_rows = y_max - y_min
    below_top = np.arange(num_rows.sum()) - np.repeat(np.cumsum(num_rows) - num_rows, num_rows)
    rows = np.repeat(image * height + y_min, num_rows) + below_top
    starts = (rows * width + np.repeat(x_min, num_rows)) * channels
    sizes = np.repeat(x_max - x_min, num_rows)
    for size in np.unique(sizes).tolist():
        _runs(images, size * channels)[starts[sizes == size]] = _item(np.tile(fill, size))


def _rows(images: UInt8[np.ndarray, "n h w c"]) -> np.ndarray:
    """Return the rows of pixels as items, n h."""
    num, height, width, channels = images.shape
    return _item(images.reshape(num, height, width * channels))


def _item(array: np.ndarray) -> np.ndarray:
    """Return the last axis as one item."""
    return array.view(f"V{array.shape[-1]}")[..., 0]


def _runs(images: UInt8[np.ndarray, "n h w c"], length: int) -> np.ndarray:
    """Return, at index i, the `length` bytes from byte i on as one item."""
    return np.ndarray(images.size - length + 1, f"V{length}", images.data, strides=(1,))
