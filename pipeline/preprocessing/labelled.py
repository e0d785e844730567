"""What every source gives back."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8


@dataclass(frozen=True)
class Labelled:
    """Labelled images before they are split.

    `in_test` marks the test images of a source that brings its own test split, and is None where
    Convoy makes the split. `ids` are unique and stay the same when images are added.
    """

    images: UInt8[np.ndarray, "n h w c"]
    targets: Int[np.ndarray, " n"]
    ids: list[str]
    classes: list[str]
    in_test: np.ndarray | None = None
