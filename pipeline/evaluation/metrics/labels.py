"""Metrics of multi-label classification, where each sample has any of k labels."""

from functools import partial

import numpy as np
from jaxtyping import Bool

from pipeline.evaluation.metrics import (
    calibration as _calibration,
)
from pipeline.evaluation.metrics import (
    decided as _decided,
)
from pipeline.evaluation.metrics import (
    probabilities as _probabilities,
)
from pipeline.evaluation.metrics import (
    ranks as _ranks,
)
from pipeline.evaluation.metrics.metric import Metric, Table, mean
from pipeline.evaluation.outputs import SystemOutput


def metrics(num_bins: int) -> dict[str, Metric]:
    """Return all metrics in the order of tables."""
    share = partial(Metric, value=mean, interval="share")
    lower = partial(Metric, value=mean, higher_is_better=False, interval="log")
    return {
        "hamming_loss": share(_wrong, higher_is_better=False),
        "subset_accuracy": share(_all_right, higher_is_better=True),
        **_decided.averages(),
        "macro_balanced_accuracy": Metric(
            _decided.counts,
            _decided.macro_balanced_accuracy,
            higher_is_better=True,
            interval="share",
            floor=_decided.macro_balanced_accuracy_floor,
        ),
        **_ranks.means("mean_average_precision"),
        "log_loss": lower(_probabilities.labels_log_loss),
        "brier": lower(_probabilities.labels_brier),
        "calibration_error": _calibration.metric(_calibration.of_outputs, num_bins),
    }


def of_output(output: int) -> dict[str, Metric]:
    """Return the metrics of one label, or of one class against the rest."""
    return _decided.of_output(output) | _ranks.of_output(output)


def _wrong(outputs: SystemOutput, targets: Bool[np.ndarray, "n k"]) -> Table:
    """Return the fraction of each sample's labels that are wrong."""
    return np.asarray((outputs.decided != targets).mean(axis=1, keepdims=True))


def _all_right(outputs: SystemOutput, targets: Bool[np.ndarray, "n k"]) -> Table:
    return np.asarray((outputs.decided == targets).all(axis=1, keepdims=True), np.float64)
