"""The evaluator: the samples, metrics and bootstrap draws by which all systems are measured."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.core.kind import Kind
from pipeline.evaluation.intervals import Bootstrap, Estimate, Measurement
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.outputs import SystemOutput


@dataclass(frozen=True)
class Evaluator:
    """Measures every system by the same metrics, on the same draws of the same samples."""

    kind: Kind
    names: tuple[str, ...]
    """The names of the classes, labels or values."""
    ids: np.ndarray
    targets: np.ndarray
    groups: Int[np.ndarray, " n"]
    """Samples with the same group number are always drawn together."""
    weights: Float[np.ndarray, " n"]
    """How much each sample counts; the mean is 1."""
    metrics: dict[str, Metric]
    headline: str
    """The name of the metric that verdicts are based on."""
    bootstrap: Bootstrap
    confidence: float
    margin: float | None
    """The difference in the headline metric below which two systems are equivalent; None where
    nobody has said what matters."""

    @property
    def headline_metric(self) -> Metric:
        """The metric that verdicts are based on."""
        return self.metrics[self.headline]

    @property
    def num_groups(self) -> int:
        return len(np.unique(self.groups))

    def as_json(self) -> dict[str, str | float]:
        """Return what every comparison rests on."""
        return {
            "headline": self.headline,
            "confidence": self.confidence,
            "num_samples": len(self.ids),
        }

    def table(self, outputs: SystemOutput) -> Float[np.ndarray, "n s"]:
        """Return the statistics of the headline metric, one row for each sample."""
        return self.headline_metric.statistics(outputs, self.targets)

    def measure(self, outputs: SystemOutput) -> Measurement:
        """Measure one system by the headline metric."""
        only = {self.headline: self.headline_metric}
        return self.bootstrap.measure(only, outputs, self.targets)[self.headline]

    def estimates(self, metrics: dict[str, Metric]) -> dict[str, Estimate]:
        """Estimate metrics that already carry their statistics, except undefined ones."""
        if not metrics:
            return {}
        nobody = SystemOutput(self.targets, self.targets)
        return self.bootstrap.estimates(metrics, nobody, self.targets)
