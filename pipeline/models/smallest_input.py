"""Find a network's output shape for an image size, and the smallest size that it takes."""

from bisect import bisect_left

import torch
from torch import nn

from pipeline.core.errors import UserError

MOST_POWER = 9  # power of two: 512 px
REFUSALS = (RuntimeError, AssertionError, ValueError, ZeroDivisionError)  # a layer's errors


def output_shape(body: nn.Module, shape: tuple[int, int, int], name: str) -> tuple[int, ...]:
    """Return the shape of the output of `body` for one image, without n.

    Args:
        shape: height, width, channels.
        name: name of the model, for the message.

    Raises:
        UserError: the image is too small, or its size is not divisible as required.
    """
    try:
        return _output_shape(body, shape)
    except REFUSALS as error:
        height_px, width_px, channels = shape
        given = f"model {name}: got images of {height_px} × {width_px} px"
        least_px = _least_px(body, channels)
        if least_px is None or min(height_px, width_px) >= least_px:
            raise UserError(
                f"{given}, which it does not accept: {error}; choose another size, or set stem: "
                "keep if the model has one"
            ) from None
        raise UserError(
            f"{given}; allowed at least {least_px} × {least_px} px; "
            "raise data.image.size_px or choose a smaller network"
        ) from None


def _output_shape(body: nn.Module, shape: tuple[int, int, int]) -> tuple[int, ...]:
    was_training, (height_px, width_px, channels) = body.training, shape
    try:
        with torch.inference_mode():
            made = body.eval()(torch.zeros(1, channels, height_px, width_px))
    finally:
        body.train(was_training)
    return tuple(made.shape[1:])


def _least_px(body: nn.Module, channels: int) -> int | None:
    """Return the side of the smallest square image that `body` takes; None if it takes none."""

    def takes(side_px: int) -> bool:
        try:
            _output_shape(body, (side_px, side_px, channels))
        except REFUSALS:
            return False
        return True

    for power in range(MOST_POWER + 1):  # upwards, since large images take long
        if takes(2**power):
            sides = range(2 ** (power - 1) + 1 if power else 1, 2**power + 1)
            return sides[bisect_left(sides, True, key=takes)]
    return None
