"""What training will see: originals beside several draws of the policy, one row a class."""

from pathlib import Path

import numpy as np

from pipeline.artifacts import Packed
from pipeline.augmentation.policy import Augmenter

CELL_PX = 64
GAP_PX = 4
MAX_ROWS = 20


def preview(train: Packed, augmenter: Augmenter, num_draws: int) -> np.ndarray:
    """A grid of n rows and 1 + `num_draws` columns, uint8, grey or RGB; the first is stored."""
    labels, rows = np.unique(train.targets, return_index=True)
    rows = rows[: min(len(labels), MAX_ROWS)]
    images, ids = np.asarray(train.images[rows]), train.ids[rows]
    columns = [images, *(augmenter(images, epoch, ids) for epoch in range(num_draws))]
    return _tile(np.stack(columns, axis=1))


def movement(train: Packed, augmenter: Augmenter, num_images: int = 256) -> float:
    """Mean absolute change of a pixel, 0..255, over the first images of train."""
    images, ids = np.asarray(train.images[:num_images]), train.ids[:num_images]
    moved = augmenter(images, 0, ids).astype(np.int16)
    return float(np.abs(moved - images).mean())


def save_png(path: Path, image: np.ndarray) -> None:
    """Write an RGB or grey picture; the same pixels are the same bytes."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1])


def _tile(cells: np.ndarray) -> np.ndarray:
    """(rows, columns, h, w, c) to one picture with white gaps, enlarged to be looked at."""
    factor = max(1, CELL_PX // cells.shape[2])
    cells = cells.repeat(factor, axis=2).repeat(factor, axis=3)
    padding = ((0, 0), (0, 0), (0, GAP_PX), (0, GAP_PX), (0, 0))
    cells = np.pad(cells, padding, constant_values=255)
    num_rows, num_columns, height, width, channels = cells.shape
    return cells.transpose(0, 2, 1, 3, 4).reshape(num_rows * height, num_columns * width, channels)
