"""What a request to the packaged model may hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.serving.ensemble import Raw


def images_in(given: Any) -> list[Raw]:
    """Return the images of a request: of one image, a list, or the column `image` of a table.

    An array of three axes is one image if the last has 1, 3 or 4 entries, as channels have;
    otherwise, and with four axes, the first axis counts images.
    """
    if isinstance(given, pd.DataFrame | Mapping):
        given = given["image"]
    if isinstance(given, str | bytes | Path):
        return [given]
    if isinstance(given, np.ndarray) and given.dtype != object:
        is_one = given.ndim == 2 or (given.ndim == 3 and given.shape[2] in (1, 3, 4))
        return [given] if is_one else list(given)
    return [np.asarray(item) if isinstance(item, list) else item for item in given]
