"""Metrics as functions of sums over samples, so that a bootstrap is one matrix product.

Each metric is a pair: `statistics(outputs, targets)` gives s numbers for each sample, and
`value(sums, num_samples)` turns their sums into the metric. A bootstrap draw only changes how often
each sample is counted, so all draws of all metrics are `counts @ statistics`.
"""

from pipeline.config.ensembling import Costs, Goal
from pipeline.core.kind import Kind
from pipeline.evaluation.metrics import classes, labels, values
from pipeline.evaluation.metrics.metric import Metric

__all__ = ["Metric", "headline", "metrics", "of_each"]

OF_TWO = {"f1": "f1", "balanced_accuracy": "balanced_accuracy"}
OF_LABELS = {"f1": "macro_f1", "balanced_accuracy": "macro_balanced_accuracy"}


def headline(kind: Kind, num_outputs: int, goal: Goal, costs: Costs | None) -> str:
    """Return the name of the metric by which systems are compared: the goal of their decisions."""
    if kind == "values":
        return "rmse"
    if kind == "labels":
        return OF_LABELS.get(goal, "hamming_loss")
    if costs is not None:
        return "cost"
    return OF_TWO.get(goal, "accuracy") if num_outputs == 2 else "accuracy"


def metrics(
    kind: Kind,
    num_outputs: int,
    *,
    num_bins: int,
    top_k: int,
    costs: Costs | None,
    positive: int | None,
) -> dict[str, Metric]:
    """Return all metrics of a task under the names that tables use.

    Args:
        num_outputs: how many classes, labels or values there are.
        num_bins: the number of bins of the calibration errors.
        top_k: the number of predictions that top-k accuracy allows for each sample; it is left
            out where there are no more classes than that.
        costs: the cost of each decision, for classes.
        positive: the index of the class, of two, with an F1 of its own; None for no such class.
    """
    if kind == "values":
        return values.metrics()
    if kind == "labels":
        return labels.metrics(num_bins)
    found = classes.metrics(num_outputs, num_bins, top_k, costs)
    return found if positive is None else found | {"f1": labels.of_output(positive)["f1"]}


def of_each(kind: Kind, num_outputs: int) -> list[dict[str, Metric]]:
    """Return the metrics of each class (against the rest), label or value on its own."""
    own = values.of_output if kind == "values" else labels.of_output
    return [own(output) for output in range(num_outputs)]
