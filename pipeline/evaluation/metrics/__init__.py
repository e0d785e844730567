"""Metrics as functions of sums over samples, so that a bootstrap is one matrix product.

Each metric is a pair: `statistics(outputs, targets)` gives s numbers for each sample, and
`value(sums, num_samples)` turns their sums into the metric. A bootstrap draw only changes how often
each sample is counted, so all draws of all metrics are `counts @ statistics`.
"""

from pipeline.config.ensembling import Costs
from pipeline.core.artifacts import Kind
from pipeline.evaluation.metrics import classes, labels, values
from pipeline.evaluation.metrics.metric import Metric

__all__ = ["HEADLINE", "Metric", "metrics", "of_each"]

HEADLINE: dict[Kind, str] = {"classes": "accuracy", "labels": "hamming_loss", "values": "rmse"}
"""The metric by which systems are compared first."""


def metrics(
    kind: Kind, num_outputs: int, *, num_bins: int, top_k: int, costs: Costs | None
) -> dict[str, Metric]:
    """Return all metrics of a task under the names that tables use.

    Args:
        num_outputs: how many classes, labels or values there are.
        num_bins: the number of bins of the calibration errors.
        top_k: the number of predictions that top-k accuracy allows for each sample; it is left
            out where there are no more classes than that.
        costs: the cost of each decision, for classes.
    """
    if kind == "values":
        return values.metrics()
    if kind == "labels":
        return labels.metrics(num_bins)
    return classes.metrics(num_outputs, num_bins, top_k, costs)


def of_each(kind: Kind, num_outputs: int) -> list[dict[str, Metric]]:
    """Return the metrics of each class (against the rest), label or value on its own."""
    own = values.of_output if kind == "values" else labels.of_output
    return [own(output) for output in range(num_outputs)]
