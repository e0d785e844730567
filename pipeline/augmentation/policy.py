"""Load a frozen policy, and apply it so that pixels depend on (seed, epoch, id) alone."""

import random
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8, UInt64

from pipeline.augmentation import fast
from pipeline.augmentation.backend import A, without_torch
from pipeline.augmentation.counter import states, word
from pipeline.augmentation.draws import draw
from pipeline.augmentation.plan import plan_of
from pipeline.augmentation.probe import one_shape, with_channels


class Augmenter:
    """A frozen policy and a seed.

    Policies of pad, random crop, flips and cutout take the fast path; all others go through
    albumentations, image by image. There, each sample has one generator, which all transforms
    share. (`set_random_seed` would give every transform a stream of its own from the same seed: two
    transforms of probability 0.5 would then both be applied or neither.)
    """

    def __init__(self, frozen: dict[str, Any], seed: int) -> None:
        self._seed = seed
        self._height, self._width, self._channels = frozen["output_shape"]
        with without_torch():
            self._compose = A.from_dict(frozen["policy"])
        self.is_identity = not frozen["online"] or not self._compose.transforms
        self.plan = plan_of(frozen["policy"], tuple(frozen["image_shape"]))
        """The plan for `fast` and `device`; None if only albumentations can apply the policy."""

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of an augmented image."""
        return self._height, self._width, self._channels

    def __call__(
        self,
        images: UInt8[np.ndarray, "n h w c"],
        epoch: int,
        keys: UInt64[np.ndarray, " n"],
        copies: Int[np.ndarray, " n"] | None = None,
    ) -> UInt8[np.ndarray, "n h2 w2 c"]:
        """Return the images as epoch `epoch` sees them; the input is not changed.

        Args:
            images: the stored pixels, n h w c.
            epoch: from 0; negative epochs are for copies made offline.
            keys: `sample_keys` of the samples' ids.
            copies: how often each sample has already occurred in this epoch; None for 0.
        """
        if self.is_identity:
            return images
        if self.plan:
            drawn = draw(self.plan, self._seed, epoch, keys, copies)
            return fast.apply(images, drawn, self.plan)
        return self._one_by_one(images, epoch, keys, copies)

    def _one_by_one(
        self,
        images: np.ndarray,
        epoch: int,
        keys: np.ndarray,
        copies: np.ndarray | None,
    ) -> UInt8[np.ndarray, "n h2 w2 c"]:
        out = np.empty((len(images), *self.output_shape), np.uint8)
        state = states(self._seed, epoch, keys, copies)
        streams = np.stack([word(state, 0), word(state, 1)], axis=1)
        for i, image in enumerate(images):
            numpy_state = np.random.Generator(np.random.Philox(key=streams[i]))
            self._compose.set_random_state(numpy_state, random.Random(streams[i].tobytes()))
            made = self._compose(image=image.copy())["image"]  # a copy: some write in place
            one_shape({with_channels(made).shape, self.output_shape}, "as frozen")
            out[i] = with_channels(made)
        return out
