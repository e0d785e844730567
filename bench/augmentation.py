"""Pad, crop and flip: Convoy's fast path against albumentations, image by image, on one core.

    python -m bench.augmentation [PAIRS]

An epoch has 8,192 images (256 of 256 px). The baseline is a bare `A.Compose` called on each image
without any seeding, as a data set's `__getitem__` would do. The slow path is Convoy's own way to
albumentations, which gives each image its own generator. The fast path is called with as many
images at once as the table states: one batch, or several batches together.
"""

import sys
from typing import Any

import albumentations as A  # noqa: N812  # the library's own convention
import cv2
import numpy as np

from bench.paired import ratio, seconds, shown
from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.freeze import freeze
from pipeline.augmentation.policies.crop_flip import Params
from pipeline.augmentation.policy import Augmenter

GREY, COLOUR, PHOTO = (28, 28, 1), (32, 32, 3), (256, 256, 3)
CASES: list[tuple[tuple[int, int, int], dict[str, Any], int]] = [  # the last: images in a call
    (GREY, {"pad_px": 2}, 128),
    (GREY, {"pad_px": 2}, 1024),
    (GREY, {"pad_px": 2}, 4096),
    (GREY, {"pad_px": 2, "cutout_px": 8}, 4096),
    (COLOUR, {"pad_px": 4}, 128),
    (COLOUR, {"pad_px": 4}, 1024),
    (COLOUR, {"pad_px": 4}, 4096),
    (COLOUR, {"pad_px": 4, "pad_mode": "reflect"}, 4096),
    (COLOUR, {"pad_px": 4, "cutout_px": 8}, 4096),
    (PHOTO, {"pad_px": 0, "crop_px": 224}, 64),
]


class Epoch:
    """The same images, augmented in three ways."""

    def __init__(self, shape: tuple[int, int, int], settings: dict[str, Any], step: int) -> None:
        policy = Params.model_validate({"name": "crop_flip", **settings})
        frozen = freeze(policy, shape, online=True, mixing=None)
        self.num, self._step = 256 if shape == PHOTO else 8192, step
        self._images = np.random.default_rng(0).integers(0, 256, (self.num, *shape), np.uint8)
        self._keys = sample_keys(np.arange(self.num))
        self._compose = A.from_dict(frozen["policy"])
        self._fast, self._slow = Augmenter(frozen, seed=0), Augmenter(frozen, seed=0)
        self._slow.plan = None

    def bare(self) -> None:
        for image in self._images:
            self._compose(image=image)

    def slow(self) -> None:
        self._slow(self._images, 0, self._keys)

    def fast(self) -> None:
        for start in range(0, self.num, self._step):
            part = slice(start, start + self._step)
            self._fast(self._images[part], 0, self._keys[part])


def main(num_pairs: int) -> None:
    cv2.setNumThreads(0)
    for shape, settings, step in CASES:
        epoch = Epoch(shape, settings, step)
        to_bare = ratio(epoch.bare, epoch.fast, num_pairs)
        to_slow = ratio(epoch.slow, epoch.fast, num_pairs)
        rate = epoch.num / np.median([seconds(epoch.fast) for _ in range(num_pairs)])
        print(
            f"{'×'.join(map(str, shape)):9}  {step:4} a call  {rate:9,.0f} images/s   "
            f"{shown(to_bare)} × bare   {shown(to_slow)} × slow path   {settings}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
