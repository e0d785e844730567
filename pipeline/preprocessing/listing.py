"""What every source gives back: which samples there are, before any pixel is decoded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal["classes", "labels", "values"]
"""What a task learns from: one class an image, any number of labels, or numbers."""


@dataclass(frozen=True)
class Listing:
    """Labelled samples by reference.

    `read` gives one sample: an encoded image file as bytes, or decoded pixels, uint8, h w c. It
    raises `BadImage` where there is nothing to decode, and is called from several processes.
    """

    ids: list[str]
    """Unique, valid UTF-8, and the same when images are added."""
    targets: np.ndarray
    """classes: int64, n; labels: bool, n k; values: float32, n t."""
    classes: list[str]
    """The names of the classes, labels or values."""
    read: Callable[[int], bytes | np.ndarray]
    given: np.ndarray | None = None
    """The split each sample comes in, `train`, `val` or `test`; None where the source has none."""
    groups: list[str] | None = None
    """Samples of one group (patient, scene, burst) may not be split; "" is in no group."""
    metadata: dict[str, list[str]] = field(default_factory=dict)
    """Columns to slice results by, a value a sample."""
    ignored: list[str] = field(default_factory=list)
    """Files that are no samples, such as `.DS_Store`: told in the audit."""
