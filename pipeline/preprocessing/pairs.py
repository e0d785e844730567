"""The same picture twice: among the samples that can be read."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pipeline.preprocessing.duplicates import equal_pairs, near_pairs
from pipeline.preprocessing.scan import Scan


class Pairs(NamedTuple):
    """Rows of images that are the same picture; enough pairs to connect all that are."""

    equal: Int[np.ndarray, "p 2"]
    near: Int[np.ndarray, "q 2"]


def same_pictures(scan: Scan, distance: float | None) -> Pairs:
    """Equal images, and near duplicates up to `distance`; None looks for equal ones only."""
    equal = scan.good[equal_pairs(scan.digests[scan.good])]
    if distance is None:
        return Pairs(equal, np.empty((0, 2), np.int64))
    # Bad images are black here, and nothing is a near duplicate of a flat image.
    return Pairs(equal, near_pairs(scan.thumbs, distance, equal))
