"""1,797 handwritten digits, 8 × 8 grey, which come with scikit-learn and need no network.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.core.component import Component
from pipeline.core.kind import Kind
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.reading.classes import only_classes
from pipeline.preprocessing.reading.stacks import Stacks


class Params(Component):
    """The digits have no settings."""


def load(params: Params, folder: Path, kind: Kind) -> Listing:  # noqa: ARG001  # it reads no folder
    """List all digits, with grey levels 0..16 spread over 0..255."""
    import numpy as np
    from sklearn.datasets import load_digits  # 1 s to import

    only_classes(params.name, kind)
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return Listing(
        ids=[f"digits/{i:04d}" for i in range(len(images))],
        targets=digits.target.astype(np.int64),
        classes=[str(digit) for digit in range(10)],
        read=Stacks([images]),
    )
