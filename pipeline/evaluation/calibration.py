"""The effect of calibration on test: metrics of a system under each calibrator and without one."""

from typing import NamedTuple

from pipeline.core.kind import Kind
from pipeline.evaluation.consistency import Consistency, consistency
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.metrics.probabilities import probs
from pipeline.evaluation.outputs import SystemOutput

FIGURES: dict[Kind, tuple[str, ...]] = {
    "classes": ("log_loss", "brier", "calibration_error"),
    "labels": ("log_loss", "brier", "calibration_error"),
    "values": ("rmse", "mae"),
}


NO_TEST = Consistency(float("nan"), float("nan"), float("nan"))


class Calibrated(NamedTuple):
    """The metrics of one system under one calibrator."""

    system: str
    calibrator: str
    is_used: bool
    """Validation found this calibrator to be the best for the system."""
    figures: dict[str, Estimate]
    calibration_error: Consistency
    """The calibration error beside that of perfect calibration; NaN for values."""


def calibrated(
    evaluator: Evaluator,
    system: str,
    used: str,
    by_calibrator: dict[str, SystemOutput],
    num_bins: int,
) -> list[Calibrated]:
    """Measure a system under every calibrator, one row for each."""
    metrics = {name: evaluator.metrics[name] for name in FIGURES[evaluator.kind]}
    return [
        Calibrated(
            system,
            calibrator,
            calibrator == used,
            evaluator.bootstrap.estimates(metrics, outputs, evaluator.targets),
            _consistency(evaluator, outputs, num_bins),
        )
        for calibrator, outputs in by_calibrator.items()
    ]


def _consistency(evaluator: Evaluator, outputs: SystemOutput, num_bins: int) -> Consistency:
    if evaluator.kind == "values":
        return NO_TEST
    shares, is_so = probs(outputs), evaluator.targets
    if evaluator.kind == "classes":
        is_so = (shares.argmax(axis=1) == evaluator.targets)[:, None]
        shares = shares.max(axis=1, keepdims=True)
    return consistency(shares, is_so, evaluator.groups, num_bins)
