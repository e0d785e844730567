"""What every source returns: the list of samples, before any pixel is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Listing:
    """Labelled samples by reference.

    `read` returns one sample: an encoded image file as bytes, or decoded pixels, uint8, h w c. It
    raises `BadImage` if there is nothing to decode, and is called from several processes.
    """

    ids: list[str]
    """Ids that are unique, valid UTF-8, and unaffected by new images."""
    targets: np.ndarray
    """Targets: int64, n for classes; bool, n k for labels; float64, n t for values."""
    classes: list[str]
    """The names of the classes, labels or values."""
    read: Callable[[int], bytes | np.ndarray]
    given: np.ndarray | None = None
    """The given split of each sample, `train`, `val` or `test`; None if the source has none."""
    groups: list[str] | None = None
    """Samples of one group (patient, scene, burst) may not be separated; "" means no group."""
    metadata: dict[str, list[str]] = field(default_factory=dict)
    """Columns to slice results by, with one value per sample."""
    ignored: list[str] = field(default_factory=list)
    """Files that are not samples, such as a README: listed in the audit."""
