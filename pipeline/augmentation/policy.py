"""Freeze a policy, read it back, and apply it so that pixels depend on (seed, epoch, id) alone."""

import os
import random
import sys
from hashlib import blake2b
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pipeline.component import Component, resolve

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # or its import asks the network, for 12 s
if "torch" not in sys.modules:
    sys.modules["torch"] = None  # type: ignore[assignment]  # it imports torch for one converter
import albumentations as A  # noqa: N812

if sys.modules["torch"] is None:
    del sys.modules["torch"]


def freeze(params: Component, image_shape: tuple[int, ...]) -> dict[str, Any]:
    """The policy that `params` name, serialised by albumentations itself."""
    height_px, width_px = image_shape[:2]
    module, own = resolve("policy", params)
    transforms = module.transforms(own, height_px, width_px)
    frozen: dict[str, Any] = A.to_dict(A.Compose(transforms))
    return frozen


class Augmenter:
    """A frozen policy and a seed.

    One generator is made for each sample and shared by all transforms. (`set_random_seed` gives
    every transform a stream of its own from the same seed: two transforms of probability 0.5
    are then applied both or neither.)
    """

    def __init__(self, policy: dict[str, Any], seed: int) -> None:
        self._compose = A.from_dict(policy)
        self._is_empty = not self._compose.transforms
        self._seed = seed

    def __call__(
        self, images: UInt8[np.ndarray, "n h w c"], epoch: int, ids: np.ndarray
    ) -> UInt8[np.ndarray, "n h w c"]:
        """The images as epoch `epoch` sees them; the input is left as it is."""
        if self._is_empty:
            return images
        return np.stack(
            [self._one(image, epoch, id_) for image, id_ in zip(images, ids, strict=True)]
        )

    def _one(self, image: np.ndarray, epoch: int, sample_id: str) -> np.ndarray:
        numpy_state, python_state = generators(self._seed, epoch, sample_id)
        self._compose.set_random_state(numpy_state, python_state)
        augmented: np.ndarray = self._compose(image=image)["image"]
        return augmented.reshape(*augmented.shape[:2], -1)  # OpenCV drops a single channel


def generators(seed: int, epoch: int, sample_id: str) -> tuple[np.random.Generator, random.Random]:
    """Counter-based: one key for each (seed, epoch, id), whichever process asks."""
    digest = blake2b(f"{seed}/{epoch}/{sample_id}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, np.uint64)
    return np.random.Generator(np.random.Philox(key=key)), random.Random(digest)
