"""The effect of calibration on test: metrics of a system under each calibrator and without one."""

from typing import NamedTuple

from pipeline.core.kind import Kind
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.outputs import SystemOutput

FIGURES: dict[Kind, tuple[str, ...]] = {
    "classes": ("log_loss", "calibration_error"),
    "labels": ("log_loss", "calibration_error"),
    "values": ("rmse", "mae"),
}


class Calibrated(NamedTuple):
    """The metrics of one system under one calibrator."""

    system: str
    calibrator: str
    is_used: bool
    """Validation found this calibrator to be the best for the system."""
    figures: dict[str, Estimate]


def calibrated(
    evaluator: Evaluator, system: str, used: str, by_calibrator: dict[str, SystemOutput]
) -> list[Calibrated]:
    """Measure a system under every calibrator, one row for each."""
    metrics = {name: evaluator.metrics[name] for name in FIGURES[evaluator.kind]}
    return [
        Calibrated(
            system,
            calibrator,
            calibrator == used,
            evaluator.bootstrap.estimates(metrics, outputs, evaluator.targets),
        )
        for calibrator, outputs in by_calibrator.items()
    ]
