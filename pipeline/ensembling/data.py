"""Training data of stackers: features, and scores to add to."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Data(NamedTuple):
    """Data of n samples."""

    features: Float[np.ndarray, "n f"]
    start: Float[np.ndarray, "n k"]
    """Scores that the model is added to: log-probabilities of outcomes, or values."""
    targets: Float[np.ndarray, "n k"]
    """Values; for outcomes, 1 for the true one and 0 for all others."""

    def of(self, rows: np.ndarray) -> "Data":
        return Data(*(array[rows] for array in self))
