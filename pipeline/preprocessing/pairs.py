"""Find images that occur twice among the samples that can be read."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pipeline.preprocessing.duplicates import equal_pairs, near_pairs
from pipeline.preprocessing.scanned import Scan


class Pairs(NamedTuple):
    """Rows of duplicate images; just enough pairs to connect all of them."""

    equal: Int[np.ndarray, "p 2"]
    near: Int[np.ndarray, "q 2"]


def same_pictures(scan: Scan, distance: float | None) -> Pairs:
    """Find equal images, and near duplicates up to `distance`; None finds equal ones only."""
    equal = scan.good[equal_pairs(scan.digests[scan.good])]
    if distance is None:
        return Pairs(equal, np.empty((0, 2), np.int64))
    # Bad images are black here, and flat images have no near duplicates.
    return Pairs(equal, near_pairs(scan.thumbs, distance, equal))
