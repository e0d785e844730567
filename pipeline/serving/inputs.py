"""What a request to the packaged model may hold."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.serving.ensemble import Raw

CHANNELS = (1, 3, 4)
ALLOWED = "allowed one image or several: an array, a path, an encoded file or its base64 text"
NUMBERS = "biuf"  # numpy's kinds


def images_in(given: Any) -> list[Raw]:
    """Return the images of a request: of one image, a list, or the column `image` of a table.

    An array of three axes is one image if the last has 1, 3 or 4 entries, as channels have;
    otherwise, and with four axes, the first axis counts images. Nested lists of numbers are arrays.

    Raises:
        ValueError: there is no image, or something that is none; the message gives its position.
    """
    if isinstance(given, pd.DataFrame | Mapping):
        if "image" not in given:
            raise ValueError(f"columns {', '.join(map(str, given)) or 'none'}; allowed image")
        given = given["image"]
    found = _separated(_packed(given))
    if not found:
        raise ValueError("no image; allowed one or more")
    return found


def _packed(given: Any) -> Any:
    """Return nested lists of numbers as an array, and every other list as it is."""
    if not isinstance(given, list | tuple) or not isinstance(next(iter(given), None), list | tuple):
        return given
    try:
        array = np.asarray(given)
    except ValueError:  # images of several sizes
        return given
    return array if array.dtype.kind in NUMBERS else given


def _separated(given: Any) -> list[Raw]:
    if isinstance(given, np.ndarray) and given.dtype.kind in NUMBERS:
        is_one = given.ndim == 2 or (given.ndim == 3 and given.shape[2] in CHANNELS)
        if not is_one and given.ndim not in (3, 4):
            raise ValueError(f"an array of shape {given.shape}; {ALLOWED}")
        return [given] if is_one else list(given)
    if isinstance(given, str | bytes | bytearray | memoryview | Path):
        return [_one(given, 0)]
    if not isinstance(given, Iterable) or (isinstance(given, np.ndarray) and not given.ndim):
        raise ValueError(f"got {_named(given)}; {ALLOWED}")
    return [_one(item, place) for place, item in enumerate(given)]


def _one(item: Any, place: int) -> Raw:
    if isinstance(item, bytearray | memoryview):
        return bytes(item)
    if isinstance(item, str | bytes | Path):
        return item
    try:
        array = np.asarray(item) if isinstance(item, list | tuple) else item
    except ValueError:
        raise ValueError(f"image {place}: rows of different lengths; allowed equal ones") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in NUMBERS or array.ndim < 2:
        raise ValueError(f"image {place}: got {_named(array)}; {ALLOWED}")
    return array


def _named(item: Any) -> str:
    if isinstance(item, np.ndarray):
        return f"an array of {item.dtype}, of shape {item.shape}"
    return f"{type(item).__name__}"
