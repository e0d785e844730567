"""The samples that systems are measured on, and what they are measured by."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Bootstrap, Estimate
from pipeline.evaluation.metrics import HEADLINE, Metric
from pipeline.space import Kind

Figures = Float[np.ndarray, " d"]
"""What a sample of all, and then each draw of it, has for one figure; see Bootstrap."""


@dataclass(frozen=True)
class Yardstick:
    """All systems are measured on the same draws of the same samples."""

    kind: Kind
    names: tuple[str, ...]
    """Of the classes, labels or values."""
    ids: np.ndarray
    targets: np.ndarray
    groups: Int[np.ndarray, " n"]
    """Samples with the same number come together or not at all."""
    metrics: dict[str, Metric]
    bootstrap: Bootstrap
    confidence: float

    @property
    def headline(self) -> str:
        """The metric that verdicts speak of."""
        return HEADLINE[self.kind]

    @property
    def headline_metric(self) -> Metric:
        """That of the headline."""
        return self.metrics[self.headline]

    def table(self, answers: Answers) -> Float[np.ndarray, "n s"]:
        """What the headline is made of, a row a sample."""
        return self.headline_metric.statistics(answers, self.targets)

    def figures(self, answers: Answers) -> Figures:
        """Of the headline."""
        only = {self.headline: self.headline_metric}
        return self.bootstrap.measure(only, answers, self.targets)[self.headline]

    def estimate(self, metric: str, figures: Figures) -> Estimate:
        """Of figures of a metric over all samples; a share of 0 or 1 has an interval too."""
        share_of = len(self.ids) if self.metrics[metric].share_of else None
        return self.bootstrap.estimate(figures, share_of)

    def estimates(self, metrics: dict[str, Metric]) -> dict[str, Estimate]:
        """Of metrics that know whom they speak of, but for those that are not defined."""
        if not metrics:
            return {}
        nobody = Answers(self.targets, self.targets)
        return self.bootstrap.estimates(metrics, nobody, self.targets)
