"""Metrics as functions of sums over samples, so that a bootstrap is one matrix product.

Each metric is a pair: `statistics(answers, targets)` gives s numbers a sample, and
`value(sums, num_samples)` turns their sums into the metric. A bootstrap draw only changes how often
each sample is counted, so all draws of all metrics are `counts @ statistics`.
"""

from pipeline.decision import Costs
from pipeline.evaluation.metrics import classes, labels, values
from pipeline.evaluation.metrics._metric import Metric
from pipeline.space import Kind

__all__ = ["HEADLINE", "Metric", "metrics", "of_each"]

HEADLINE: dict[Kind, str] = {"classes": "accuracy", "labels": "hamming_loss", "values": "rmse"}
"""What systems are compared by first."""


def metrics(
    kind: Kind, num_outputs: int, *, num_bins: int, top_k: int, costs: Costs | None
) -> dict[str, Metric]:
    """All that systems are measured by, named as in tables.

    Args:
        num_outputs: how many classes, labels or values there are.
        num_bins: of the calibration errors.
        top_k: answers to a sample that top-k accuracy allows; left out of as few classes.
        costs: of answers, for classes.
    """
    if kind == "values":
        return values.metrics()
    if kind == "labels":
        return labels.metrics(num_bins)
    return classes.metrics(num_outputs, num_bins, top_k, costs)


def of_each(kind: Kind, num_outputs: int) -> list[dict[str, Metric]]:
    """What each class, label or value is measured by, alone: against the rest, for classes."""
    own = values.of_output if kind == "values" else labels.of_output
    return [own(output) for output in range(num_outputs)]
