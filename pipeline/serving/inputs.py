"""What may stand for an image: an encoded file, as bytes or as base64 text, or an array.

Nothing else is taken: no path and no address is ever read on behalf of a request.
"""

import base64
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pipeline.images.bad_image import BadImage, too_large
from pipeline.images.decode import MAX_PIXELS, decode, on_white

ALLOWED = "allowed an encoded file, as bytes or base64 text, or an array of its pixels"
CHANNELS = (1, 3, 4)
WHOLE = "allowed whole numbers 0..255"


def pixels_of(
    given: object, shape: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "h w c"]:
    """Return the pixels of one image; c is 1 or 3.

    Args:
        shape: see `pipeline.images.decode.read`.

    Raises:
        BadImage: it is no image, or holds more than `max_pixels`.
    """
    if isinstance(given, BadImage):  # could not be read in the first place
        raise given
    if isinstance(given, str):
        given = _unpacked(given)
    if isinstance(given, bytes | bytearray | memoryview):
        return decode(bytes(given), shape, max_pixels)
    if isinstance(given, list | tuple):
        given = _array(given)
    if isinstance(given, np.ndarray):
        return _checked(given, max_pixels)
    raise BadImage("not an image", f"got {type(given).__name__}; {ALLOWED}")


def _unpacked(text: str) -> bytes:
    """Undo base64; MLflow's client breaks it into lines."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        detail = f"text that is not base64: {text[:40]!r}; paths and addresses are not read"
        raise BadImage("not an image", detail) from None


def _array(rows: Any) -> np.ndarray:
    """Return nested lists of numbers as an array.

    Types are looked at first: numpy would make room for the longest text as often as there are
    entries, and take `true` and "12" for numbers.
    """
    level = rows
    for _ in CHANNELS:  # rows, columns, channels
        kinds = set(map(type, level))
        if not kinds <= {list, tuple}:
            break
        level = list(chain.from_iterable(level))
    if not set(map(type, level)) <= {int, float}:
        raise BadImage("not an image", "lists that hold more than numbers in rows and columns")
    try:
        return np.asarray(rows, np.float64)
    except (ValueError, OverflowError):  # such as 10 ** 400
        detail = f"rows of different lengths, or a number out of range; {WHOLE}"
        raise BadImage("not an image", detail) from None


def _checked(image: np.ndarray, max_pixels: int) -> UInt8[np.ndarray, "h w c"]:
    """Accept whole numbers 0..255 of any type, as JSON holds them; lay transparency on white."""
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[2] not in CHANNELS:
        allowed = "allowed height, width[, 1, 3 or 4]"
        raise BadImage("not an image", f"an array of shape {image.shape}; {allowed}")
    if not pixels.size:
        raise BadImage("empty", f"an array of shape {image.shape}; allowed at least one pixel")
    if pixels.shape[0] * pixels.shape[1] > max_pixels:
        raise too_large(pixels.shape[1], pixels.shape[0], max_pixels)
    if pixels.dtype != np.uint8:
        if pixels.dtype.kind not in "iuf":
            raise BadImage("not an image", f"{image.dtype} pixels; {WHOLE}")
        if not (pixels.min() >= 0 and pixels.max() <= 255 and (pixels == np.round(pixels)).all()):
            raise BadImage("not an image", f"pixels beyond whole numbers; {WHOLE}")
    whole = np.ascontiguousarray(pixels, np.uint8)
    return on_white(whole) if whole.shape[2] == 4 else whole
