"""Try a policy on noise: find the size of its images, and whether training can use them."""

import random
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pipeline.core.errors import UserError

NUM_PROBES = 64  # all of them miss a transform of probability 0.1 in 1 of 850 cases


def probe(compose: Any, name: str, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the output of `compose` for images of `image_shape`.

    Raises:
        UserError: it fails on them, or returns several sizes, other channels or another dtype than
            uint8.
    """
    rng = np.random.default_rng(0)
    compose.set_random_state(rng, random.Random(0))
    image = rng.integers(0, 256, image_shape, np.uint8)
    try:
        made = [with_channels(compose(image=image.copy())["image"]) for _ in range(NUM_PROBES)]
    except Exception as error:
        raise UserError(
            f"augmentation.policy {name}: fails on images of {size(image_shape)}: {error}; "
            "change its settings or data.image"
        ) from error
    others = {str(one.dtype) for one in made} - {"uint8"}
    if others:
        raise UserError(
            f"augmentation.policy {name}: returns {others.pop()} pixels; allowed uint8, which "
            "the network normalises itself; remove the transform that converts them"
        )
    return _same_channels(one_shape({one.shape for one in made}, name), image_shape, name)


def one_shape(shapes: set[tuple[int, ...]], name: str) -> tuple[int, ...]:
    """Return the only one of `shapes`; raise a UserError if there are several."""
    if len(shapes) > 1:
        sizes = " and ".join(size(shape) for shape in sorted(shapes))
        raise UserError(
            f"augmentation.policy {name}: returns images of {sizes}; allowed one size; give its "
            "crops and paddings probability 1"
        )
    return shapes.pop()


def size(shape: tuple[int, ...]) -> str:
    """Format a shape as `28×28×1`."""
    return "×".join(map(str, shape))


def with_channels(image: Shaped[np.ndarray, "h w *c"]) -> Shaped[np.ndarray, "h w c1"]:
    """Restore the channel axis, which OpenCV drops for a single channel."""
    return image.reshape(*image.shape[:2], -1)


def _same_channels(
    shape: tuple[int, ...], image_shape: tuple[int, ...], name: str
) -> tuple[int, ...]:
    if shape[2] != image_shape[2]:
        raise UserError(
            f"augmentation.policy {name}: turns {image_shape[2]} channels into {shape[2]}; "
            "allowed as many as the images have; set data.image.channels"
        )
    return shape
