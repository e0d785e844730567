"""Pad, crop, flip: Convoy's fast path beside albumentations, image by image, on one core.

    python -m bench.augmentation [PAIRS]

The baseline is a bare `A.Compose` called on each image, without any seeding: what a data set's
`__getitem__` would do. The slow path is Convoy's own way to albumentations, which hands each image
a generator of its own. Each time of a baseline is followed by one of the fast path. Calls hold as
many images as the loader passes at once: one batch, or several batches together.
"""

import sys
from collections.abc import Callable
from typing import Any

import albumentations as A
import cv2
import numpy as np

from bench.paired import ratio, seconds, shown
from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.policies.crop_flip import Params
from pipeline.augmentation.policy import Augmenter, freeze

CASES = [  # shape, settings of crop_flip, images in a call
    ((28, 28, 1), {"pad_px": 2}, 128),
    ((28, 28, 1), {"pad_px": 2}, 512),
    ((28, 28, 1), {"pad_px": 2}, 4096),
    ((28, 28, 1), {"pad_px": 2, "cutout_px": 8}, 4096),
    ((32, 32, 3), {"pad_px": 4}, 128),
    ((32, 32, 3), {"pad_px": 4}, 512),
    ((32, 32, 3), {"pad_px": 4}, 4096),
    ((32, 32, 3), {"pad_px": 4, "pad_mode": "reflect"}, 4096),
    ((32, 32, 3), {"pad_px": 4, "cutout_px": 8}, 4096),
    ((256, 256, 3), {"pad_px": 0, "crop_px": 224}, 64),
]


def one_by_one(frozen: dict[str, Any], images: np.ndarray) -> Callable[[], object]:
    compose = A.from_dict(frozen["policy"])
    return lambda: [compose(image=image)["image"] for image in images]


def main(num_pairs: int) -> None:
    cv2.setNumThreads(0)
    for shape, settings, num in CASES:
        policy = Params.model_validate({"name": "crop_flip", **settings})
        frozen = freeze(policy, shape, online=True, mixing=None)
        images = np.random.default_rng(0).integers(0, 256, (num, *shape), np.uint8)
        keys = sample_keys(np.arange(num))
        fast, slow = Augmenter(frozen, seed=0), Augmenter(frozen, seed=0)
        slow.plan = None
        bare = one_by_one(frozen, images)

        def run(augmenter: Augmenter, images: np.ndarray = images, keys: np.ndarray = keys) -> None:
            augmenter(images, 0, keys)

        to_bare = ratio(bare, lambda: run(fast), num_pairs)  # noqa: B023  # called at once
        to_slow = ratio(lambda: run(slow), lambda: run(fast), max(3, num_pairs // 3))  # noqa: B023
        rate = num / np.median([seconds(lambda: run(fast)) for _ in range(num_pairs)])  # noqa: B023
        print(
            f"{'×'.join(map(str, shape)):9}  {num:4} a call  {rate:9,.0f} images/s   "
            f"{shown(to_bare)} × bare   {shown(to_slow)} × slow path   {settings}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
