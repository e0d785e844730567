"""Metrics of classification, where each sample has one of k classes."""

from functools import partial

import numpy as np
from jaxtyping import Int

from pipeline.config.ensembling import Costs
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


def metrics(num_classes: int, num_bins: int, top_k: int, costs: Costs | None) -> dict[str, Metric]:
    """Return all metrics in the order of tables."""
    share = partial(Metric, value=mean, higher_is_better=True, interval="share")
    of_counts = partial(Metric, _decided.counts, higher_is_better=True)
    agreement = partial(of_counts, interval="agreement", floor=_decided.agreement_floor)
    lower = partial(Metric, value=mean, higher_is_better=False, interval="log")
    found = {
        "accuracy": share(_right),
        f"top_{top_k}_accuracy": share(partial(_probabilities.top, top_k)),
        "balanced_accuracy": of_counts(
            _decided.balanced_accuracy, interval="share", floor=_decided.balanced_accuracy_floor
        ),
        **_decided.averages(),
        "cohen_kappa": agreement(_decided.cohen_kappa),
        "matthews": agreement(_decided.matthews),
        **_ranks.means("average_precision"),
        "log_loss": lower(_probabilities.log_loss),
        "brier": lower(_probabilities.brier),
        "calibration_error": _calibration.metric(_calibration.of_most_probable, num_bins),
        "classwise_calibration_error": _calibration.metric(_calibration.of_outputs, num_bins),
    }
    if top_k >= num_classes:
        del found[f"top_{top_k}_accuracy"]
    if costs is not None:
        found["cost"] = lower(partial(_cost, np.array(costs)))
    return found


def _right(outputs: SystemOutput, targets: Int[np.ndarray, " n"]) -> Table:
    return np.asarray(outputs.decided == targets, np.float64)[:, None]


def _cost(costs: np.ndarray, outputs: SystemOutput, targets: Int[np.ndarray, " n"]) -> Table:
    return np.asarray(costs[targets, outputs.decided], np.float64)[:, None]
