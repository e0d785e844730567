"""From labelled images to the files that later stages read."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from pipeline.artifacts import Card, Packed
from pipeline.preprocessing.labelled import Labelled


def pack(labelled: Labelled, splits: dict[str, np.ndarray], folder: Path) -> Card:
    """Write `folder/{train,val,test}` and return the card that describes them."""
    digest = sha256()
    for name, rows in splits.items():
        packed = Packed(
            images=labelled.images[rows],
            targets=labelled.targets[rows],
            ids=np.array([labelled.ids[i] for i in rows]),
        )
        packed.save(folder / name)
        for part in (packed.images, packed.targets, packed.ids):
            digest.update(np.ascontiguousarray(part).tobytes())
    mean, std = channel_statistics(labelled.images[splits["train"]])
    return Card(
        classes=tuple(labelled.classes),
        image_shape=labelled.images.shape[1:],
        counts={name: _counts(labelled, rows) for name, rows in splits.items()},
        mean=mean,
        std=std,
        fingerprint=digest.hexdigest(),
    )


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of pixels scaled to 0..1.

    Taken from counts of the 256 levels: exact, and the images are never held as floats.
    """
    means, stds = [], []
    levels = np.arange(256) / 255
    for channel in range(images.shape[-1]):
        counts = np.bincount(images[..., channel].ravel(), minlength=256)
        mean = float(counts @ levels / counts.sum())
        variance = float(counts @ (levels - mean) ** 2 / counts.sum())
        means.append(mean)
        stds.append(max(variance**0.5, 1 / 255))  # a constant channel stays finite
    return tuple(means), tuple(stds)


def _counts(labelled: Labelled, rows: np.ndarray) -> dict[str, int]:
    counts = np.bincount(labelled.targets[rows], minlength=len(labelled.classes))
    return dict(zip(labelled.classes, counts.tolist(), strict=True))
