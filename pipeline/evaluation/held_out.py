"""The headline metric of a system on validation, by what each unit contributes to it."""

import numpy as np
from jaxtyping import Float

from pipeline.config.ensembling import Ensembling
from pipeline.core.artifacts import OutOfFold, Samples
from pipeline.core.kind import Kind
from pipeline.ensembling import class_shares
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.decisions import positive_index
from pipeline.ensembling.truth import Truth
from pipeline.evaluation.metrics import Metric, headline, metrics
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.significance import pseudo_values


def headline_metric(kind: Kind, classes: tuple[str, ...], settings: Ensembling) -> Metric:
    """Return the metric by which systems are compared."""
    goal, costs = settings.threshold, settings.costs
    positive = positive_index(settings, classes)
    found = metrics(kind, len(classes), num_bins=1, top_k=1, costs=costs, positive=positive)
    return found[headline(kind, len(classes), goal, costs)]


def truth_of(
    held_out: OutOfFold,
    samples: Samples,
    settings: Ensembling,
    classes: tuple[str, ...],
) -> Truth:
    """Return the truth of validation, with the weights that systems were fitted with.

    Args:
        samples: the metadata of train and validation.
    """
    targets, units = held_out.targets, samples.of(held_out.ids).units
    shares = settings.class_shares
    weights = class_shares.weights(shares, classes, targets, "validation")
    return Truth(targets, units, weights)


def quality(
    metric: Metric, combiner: Combiner, held_out: np.ndarray, truth: Truth
) -> Float[np.ndarray, " g"]:
    """Return each unit's pseudo-value of a metric, signed so that higher is better.

    They are 0 where validation leaves the metric undefined, so that losses decide alone.

    Args:
        held_out: predictions of validation, each from a fit that did not see the sample.
    """
    outputs = SystemOutput(held_out, combiner.decision(held_out))
    table = metric.statistics(outputs, truth.targets)
    values = pseudo_values(metric, table, truth.units, truth.weights)
    if np.isnan(values).any():  # of no sample that the metric speaks of
        return np.zeros(len(values))
    return values if metric.higher_is_better else -values
