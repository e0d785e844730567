"""Measure how far each transform of a policy changes an image, and how fast the policy is."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8, UInt64

from pipeline.augmentation.freeze import alone
from pipeline.augmentation.policy import Augmenter

NUM_IMAGES = 256
NUM_BYTES = 2**25  # fewer images if they are larger, which is as precise: they have more pixels
NO_SETTINGS = {"__class_fullname__", "p"}

Tree = dict[str, Any]  # a transform as albumentations serialises it


def sample(num: int, image_shape: tuple[int, ...]) -> Int[np.ndarray, " m"]:
    """Return rows of `num` images, spread evenly, that are enough to measure on."""
    enough = min(num, NUM_IMAGES, max(1, NUM_BYTES // int(np.prod(image_shape))))
    return np.arange(enough) * num // enough


def per_transform(
    images: UInt8[np.ndarray, "n h w c"], keys: UInt64[np.ndarray, " n"], policy: Tree
) -> list[Tree]:
    """Return each transform's name, settings, probability and mean pixel change, 0..255.

    The change is that of the transform alone, always applied. If it pads or crops, its output is
    the input of the next transform, so the crop of a padded image shows by how far it shifts.
    """
    found = []
    for transform, probability in leaves(policy["transform"], 1.0):
        moved = Augmenter(alone(transform, images.shape[1:]), seed=0)(images, 0, keys)
        found.append(
            {
                "name": transform["__class_fullname__"],
                "settings": {k: v for k, v in transform.items() if k not in NO_SETTINGS},
                "probability": round(probability, 6),
                "mean_pixel_change": pixel_change(images, moved),
            }
        )
        if moved.shape != images.shape:
            images = moved
    return found


def leaves(tree: Tree, odds: float) -> Iterator[tuple[Tree, float]]:
    """Yield every single transform below `tree`, and the probability that it is applied.

    `odds` is the probability that `tree` itself is applied.
    """
    if "transforms" not in tree:
        yield tree, odds
        return
    for held in tree["transforms"]:
        yield from leaves(held, odds * _share(held, tree))


def pixel_change(
    before: UInt8[np.ndarray, "n h w c"], after: UInt8[np.ndarray, "n h2 w2 c"]
) -> float:
    """Return the mean absolute difference, 0..255, over the area common to both, centred."""
    size = tuple(map(min, before.shape[1:3], after.shape[1:3]))
    difference = _centre(before, size).astype(np.int16) - _centre(after, size)
    return float(np.abs(difference).mean())


def images_per_second(
    augmenter: Augmenter,
    images: UInt8[np.ndarray, "n h w c"],
    keys: UInt64[np.ndarray, " n"],
    seconds: float = 0.5,
) -> float:
    """Measure for at least `seconds` on one core; the result differs from run to run."""
    augmenter(images, 0, keys)
    begin, epochs = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        epochs += 1
        augmenter(images, epochs, keys)
    return epochs * len(images) / (time.perf_counter() - begin)


def _share(held: Tree, group: Tree) -> float:
    """Return the probability that `held` is applied at least once, given that its group is."""
    kind: str = group["__class_fullname__"]
    p: float = held["p"]
    if kind == "OneOf":  # there, probabilities are weights
        return p / float(sum(t["p"] for t in group["transforms"]))
    if kind in ("SomeOf", "RandomOrder"):
        num, times = len(group["transforms"]), int(group["n"])
        return 1.0 - (1.0 - p / num) ** times if group["replace"] else p * times / num
    return p


def _centre(images: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    top, left = ((have - want) // 2 for have, want in zip(images.shape[1:3], size, strict=True))
    return images[:, top : top + size[0], left : left + size[1]]
