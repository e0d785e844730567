"""Metrics where each sample has any of k labels."""

from functools import partial

import numpy as np
from jaxtyping import Bool

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.metrics import _answers, _calibration, _probabilities, _ranks
from pipeline.evaluation.metrics._metric import Metric, Table, all_samples, mean, mean_within_1


def metrics(num_bins: int) -> dict[str, Metric]:
    """In the order of tables."""
    share = partial(Metric, value=mean, share_of=all_samples)
    lower = partial(Metric, value=mean, higher_is_better=False)
    return {
        "hamming_loss": share(_wrong, higher_is_better=False),
        "subset_accuracy": share(_all_right, higher_is_better=True),
        **_answers.averages(),
        **_ranks.means("mean_average_precision"),
        "log_loss": lower(_probabilities.labels_log_loss),
        "brier": lower(_probabilities.labels_brier),
        "calibration_error": Metric(
            partial(_calibration.of_outputs, num_bins), mean_within_1, higher_is_better=False
        ),
    }


def of_output(output: int) -> dict[str, Metric]:
    """Of one label, or of one class against the rest."""
    return _answers.of_output(output) | _ranks.of_output(output)


def _wrong(answers: Answers, targets: Bool[np.ndarray, "n k"]) -> Table:
    """The share of a sample's labels that are wrong."""
    return np.asarray((answers.decided != targets).mean(axis=1, keepdims=True))


def _all_right(answers: Answers, targets: Bool[np.ndarray, "n k"]) -> Table:
    return np.asarray((answers.decided == targets).all(axis=1, keepdims=True), np.float64)
