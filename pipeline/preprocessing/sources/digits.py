"""1,797 handwritten digits, 8 × 8 grey, that come with scikit-learn: needs no network.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
"""

from pathlib import Path

import numpy as np

from pipeline.component import Component
from pipeline.preprocessing.labelled import Labelled


class Params(Component):
    """The digits have no settings."""


def load(params: Params, folder: Path) -> Labelled:  # noqa: ARG001  # they are not in a folder
    """All digits; grey levels 0..16 are spread over 0..255."""
    from sklearn.datasets import load_digits  # 1 s to import

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    ids = [f"digits/{i:04d}" for i in range(len(images))]
    return Labelled(images, digits.target.astype(np.int64), ids, [str(d) for d in range(10)])
