"""What calibrators do to a system on test: its figures with each, and as it is without."""

from typing import NamedTuple

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.yardstick import Yardstick
from pipeline.space import Kind

FIGURES: dict[Kind, tuple[str, ...]] = {
    "classes": ("log_loss", "calibration_error"),
    "labels": ("log_loss", "calibration_error"),
    "values": ("rmse", "mae"),
}


class Calibrated(NamedTuple):
    """One system with one calibrator."""

    system: str
    calibrator: str
    is_used: bool
    """It is the one that suited the system best on validation."""
    figures: dict[str, Estimate]


def calibrated(
    yardstick: Yardstick, system: str, used: str, by_calibrator: dict[str, Answers]
) -> list[Calibrated]:
    """A row a calibrator."""
    metrics = {name: yardstick.metrics[name] for name in FIGURES[yardstick.kind]}
    return [
        Calibrated(
            system,
            calibrator,
            calibrator == used,
            yardstick.bootstrap.estimates(metrics, answers, yardstick.targets),
        )
        for calibrator, answers in by_calibrator.items()
    ]
