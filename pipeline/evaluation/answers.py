"""What one system says of a set of samples."""

from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
    """Predictions as in pipeline.space, and what was decided on them."""

    predictions: np.ndarray
    """Calibrated: log-probabilities `n k` of classes or `n k 2` of labels, or values `n t`."""
    decided: np.ndarray
    """Class indices `n`, labels `n k` as bool, or values `n t`."""
    half_widths: np.ndarray | None = None
    """Of the intervals around values: `t`, or `n t`; None where there are none."""
