"""The output of one system on a set of samples."""

from typing import NamedTuple

import numpy as np


class SystemOutput(NamedTuple):
    """Predictions as in pipeline.ensembling.prediction_type, and the decisions based on them."""

    predictions: np.ndarray
    """Calibrated: log-probabilities `n k` of classes or `n k 2` of labels, or values `n t`."""
    decided: np.ndarray
    """Class indices `n`, labels `n k` as bool, or values `n t`."""
    half_widths: np.ndarray | None = None
    """Half the width of the interval around each value: `t` or `n t`; None without intervals."""
