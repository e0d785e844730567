"""The figures of every sample, for the audit and the splits."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from pipeline.images.bad_image import BadImage

Shape = tuple[int, int, int]
"""Height, width, channels."""


@dataclass(frozen=True)
class Scan:
    """The figures of each sample, in the source's order. Rows of bad images hold zeros."""

    image_shape: Shape
    height_px: Int[np.ndarray, " n"]
    width_px: Int[np.ndarray, " n"]
    sums: Int[np.ndarray, "n c"]
    """Sum of the pixels of each channel; with `squares`, it gives mean and std of any images."""
    squares: Int[np.ndarray, "n c"]
    digests: UInt8[np.ndarray, "n 16"]
    bad: dict[int, BadImage]
    """Why a sample is not a usable image, by row."""
    damaged: dict[int, str]
    """What is damaged in the metadata of a usable image, by row."""
    thumbs: UInt8[np.ndarray, "n s t c"]
    """Thumbnails, stored on disk."""
    chunks: list[Path]

    @property
    def good(self) -> Int[np.ndarray, " g"]:
        return np.setdiff1d(np.arange(len(self.digests)), list(self.bad))

    @cached_property
    def brightness(self) -> Float[np.ndarray, " n"]:
        """Mean grey level, 0..255."""
        mean: np.ndarray = self.sums.mean(axis=1) / self._num_pixels
        return mean

    @cached_property
    def contrast(self) -> Float[np.ndarray, " n"]:
        """Standard deviation of all pixels and channels, 0..255."""
        squares = self.squares.mean(axis=1) / self._num_pixels
        contrast: np.ndarray = np.sqrt(np.maximum(squares - self.brightness**2, 0))
        return contrast

    def statistics(self, rows: Int[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
        """Return the exact mean and std of each channel over `rows`, for pixels in 0..1."""
        count = len(rows) * self._num_pixels
        mean = self.sums[rows].sum(axis=0) / count
        variance = self.squares[rows].sum(axis=0) / count - mean**2
        std = np.sqrt(np.maximum(variance, 1))  # a constant channel stays finite
        return mean / 255, std / 255

    def files(self) -> Iterator[bytes]:
        """Yield the JPEGs to store, row by row; empty for bad images."""
        for path in self.chunks:
            with np.load(path) as held:
                joined, ends = held["files"].tobytes(), held["ends"].tolist()
            for start, end in zip([0, *ends], ends, strict=False):
                yield joined[start:end]

    def blocks(self) -> Iterator[tuple[Int[np.ndarray, " b"], UInt8[np.ndarray, "b h w c"]]]:
        """Yield rows and their fitted pixels, chunk by chunk."""
        start = 0
        for path in self.chunks:
            with np.load(path) as held:
                images = held["images"]
            yield np.arange(start, start + len(images)), images
            start += len(images)

    @property
    def _num_pixels(self) -> int:
        return self.image_shape[0] * self.image_shape[1]
