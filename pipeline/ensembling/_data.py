"""What stackers learn from: features, and scores to add to."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Data(NamedTuple):
    """Of n samples."""

    features: Float[np.ndarray, "n f"]
    start: Float[np.ndarray, "n k"]
    """What is learned is added to these: log-probabilities of outcomes, or values."""
    targets: Float[np.ndarray, "n k"]
    """Values; of outcomes 1 for the true one, 0 for all others."""

    def of(self, rows: np.ndarray) -> "Data":
        return Data(*(array[rows] for array in self))
