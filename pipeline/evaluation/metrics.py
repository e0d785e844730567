"""Metrics as functions of sums over samples, so that a bootstrap is one matrix product.

Each metric is a pair: `statistics(log_probs, targets)` gives s numbers a sample, and
`value(sums, n)` turns their sums into the metric. A bootstrap draw only changes how often each
sample is counted, so all draws of all metrics are `counts @ statistics`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

LogProbs = Float[np.ndarray, "n k"]
Targets = Int[np.ndarray, " n"]
Sums = Float[np.ndarray, "b s"]


@dataclass(frozen=True)
class Metric:
    """`value` takes (draws, s) sums and the number of samples, and gives one figure a draw."""

    statistics: Callable[[LogProbs, Targets], Float[np.ndarray, "n s"]]
    value: Callable[[Sums, int], Float[np.ndarray, " b"]]
    higher_is_better: bool


def metrics(num_bins: int) -> dict[str, Metric]:
    """The metrics of a multiclass task. `num_bins` is for the calibration error."""
    return {
        "accuracy": Metric(_correct, _mean, higher_is_better=True),
        "macro_f1": Metric(_confusion, _macro_f1, higher_is_better=True),
        "log_loss": Metric(_log_loss, _mean, higher_is_better=False),
        "calibration_error": Metric(
            lambda p, t: _bins(p, t, num_bins), _calibration_error, higher_is_better=False
        ),
    }


def _correct(log_probs: LogProbs, targets: Targets) -> np.ndarray:
    correct: np.ndarray = log_probs.argmax(axis=1) == targets
    return correct.astype(np.float64)[:, None]


def _log_loss(log_probs: LogProbs, targets: Targets) -> np.ndarray:
    """Nats."""
    losses: np.ndarray = -log_probs[np.arange(len(targets)), targets]
    return losses[:, None]


def _confusion(log_probs: LogProbs, targets: Targets) -> np.ndarray:
    """For each class three indicators: predicted and true, predicted, true."""
    classes = np.arange(log_probs.shape[1])
    predicted = log_probs.argmax(axis=1)[:, None] == classes
    true = targets[:, None] == classes
    return np.concatenate([predicted & true, predicted, true], axis=1).astype(np.float64)


def _macro_f1(sums: Sums, num_samples: int) -> Float[np.ndarray, " b"]:  # noqa: ARG001
    """Mean over the classes that occur of 2 tp / (predicted + true)."""
    tp, predicted, true = np.split(sums, 3, axis=-1)
    occurs = (predicted + true) > 0
    f1 = np.divide(2 * tp, predicted + true, out=np.zeros_like(tp), where=occurs)
    mean: np.ndarray = f1.sum(axis=-1) / occurs.sum(axis=-1)
    return mean


def _bins(log_probs: LogProbs, targets: Targets, num_bins: int) -> np.ndarray:
    """For each bin of equal width in confidence: confidence less correctness, in that bin."""
    confidence = np.exp(log_probs.max(axis=1))
    correct = log_probs.argmax(axis=1) == targets
    bin_of = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    return np.where(bin_of[:, None] == np.arange(num_bins), (confidence - correct)[:, None], 0.0)


def _calibration_error(sums: Sums, num_samples: int) -> Float[np.ndarray, " b"]:
    """M. P. Naeini et al., Obtaining Well Calibrated Probabilities, AAAI 2015, equation 3."""
    error: np.ndarray = np.abs(sums).sum(axis=-1) / num_samples
    return error


def _mean(sums: Sums, num_samples: int) -> Float[np.ndarray, " b"]:
    mean: np.ndarray = sums[..., 0] / num_samples
    return mean
