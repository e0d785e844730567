"""Metrics where each sample has one of k classes."""

from functools import partial

import numpy as np
from jaxtyping import Int

from pipeline.decision import Costs
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.metrics import _answers, _calibration, _probabilities, _ranks
from pipeline.evaluation.metrics._metric import Metric, Table, all_samples, mean, mean_within_1


def metrics(num_classes: int, num_bins: int, top_k: int, costs: Costs | None) -> dict[str, Metric]:
    """In the order of tables."""
    share = partial(Metric, value=mean, higher_is_better=True, share_of=all_samples)
    of_counts = partial(Metric, _answers.counts, higher_is_better=True)
    lower = partial(Metric, value=mean, higher_is_better=False)
    of_bins = partial(Metric, value=mean_within_1, higher_is_better=False)
    found = {
        "accuracy": share(_right),
        f"top_{top_k}_accuracy": share(partial(_probabilities.top, top_k)),
        "balanced_accuracy": of_counts(_answers.balanced_accuracy, share_of=all_samples),
        **_answers.averages(),
        "cohen_kappa": of_counts(_answers.cohen_kappa),
        "matthews": of_counts(_answers.matthews),
        **_ranks.means("average_precision"),
        "log_loss": lower(_probabilities.log_loss),
        "brier": lower(_probabilities.brier),
        "calibration_error": of_bins(partial(_calibration.of_answers, num_bins)),
        "classwise_calibration_error": of_bins(partial(_calibration.of_outputs, num_bins)),
    }
    if top_k >= num_classes:
        del found[f"top_{top_k}_accuracy"]
    if costs is not None:
        found["cost"] = lower(partial(_cost, np.array(costs)))
    return found


def _right(answers: Answers, targets: Int[np.ndarray, " n"]) -> Table:
    return np.asarray(answers.decided == targets, np.float64)[:, None]


def _cost(costs: np.ndarray, answers: Answers, targets: Int[np.ndarray, " n"]) -> Table:
    return np.asarray(costs[targets, answers.decided], np.float64)[:, None]
