"""Freeze a policy, read it back, and apply it so that pixels depend on (seed, epoch, id) alone."""

import json
import random
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8, UInt64

from pipeline.augmentation import fast
from pipeline.augmentation.counter import states, word
from pipeline.augmentation.draws import draw
from pipeline.augmentation.plan import plan_of
from pipeline.augmentation.policies import without_torch
from pipeline.augmentation.probe import one_shape, probe, with_channels
from pipeline.component import Component, resolve

import albumentations as A  # noqa: N812  # isort: skip  # after its door


def freeze(
    policy: Component,
    image_shape: tuple[int, ...],
    *,
    online: bool,
    mixing: dict[str, Any] | None,
) -> dict[str, Any]:
    """All that training reads: the policy as albumentations itself serialises it, and the rest.

    Args:
        policy: the chosen policy's parameters.
        image_shape: height, width, channels of the stored images, px.
        online: false leaves the stored images as they are while training.
        mixing: how pairs of a batch are mixed; None for not at all.

    Raises:
        UserError: the policy cannot work on images of this shape, or its size varies.
    """
    height_px, width_px = image_shape[:2]
    module, own = resolve("policy", policy)
    compose = A.Compose(module.transforms(own, height_px, width_px))
    frozen = _frozen(compose, policy.name, image_shape)
    shape = frozen["output_shape"] if online else frozen["image_shape"]
    return {**frozen, "output_shape": shape, "online": online, "mixing": mixing}


def alone(transform: dict[str, Any], image_shape: tuple[int, ...]) -> dict[str, Any]:
    """One transform of a frozen policy as a policy of its own, applied to every image."""
    with without_torch():
        compose = A.Compose([A.from_dict({"transform": {**transform, "p": 1.0}})])
    return _frozen(compose, transform["__class_fullname__"], image_shape)


class Augmenter:
    """A frozen policy and a seed.

    Policies of pad, random crop, flips and cutout take the fast path; all others go through
    albumentations, image by image. There one generator is made for each sample and shared by all
    transforms. (`set_random_seed` gives every transform a stream of its own from the same seed:
    two transforms of probability 0.5 are then applied both or neither.)
    """

    def __init__(self, frozen: dict[str, Any], seed: int) -> None:
        self._seed = seed
        self._height, self._width, self._channels = frozen["output_shape"]
        with without_torch():
            self._compose = A.from_dict(frozen["policy"])
        self.is_identity = not frozen["online"] or not self._compose.transforms
        self.plan = plan_of(frozen["policy"], tuple(frozen["image_shape"]))
        """What `fast` and `device` follow; None for a policy that only albumentations can."""

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
        """The images as epoch `epoch` sees them; the input is left as it is.

        Args:
            images: the stored pixels, n h w c.
            epoch: from 0; negative epochs are for copies made offline.
            keys: `sample_keys` of the samples' ids.
            copies: how often each sample stood in this epoch before; None for 0.
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


def _frozen(compose: Any, name: str, image_shape: tuple[int, ...]) -> dict[str, Any]:
    frozen = {
        "policy": A.to_dict(compose),
        "online": True,
        "mixing": None,
        "image_shape": image_shape,
        "output_shape": probe(compose, name, image_shape),
    }
    return dict(json.loads(json.dumps(frozen)))  # as it will be read back
