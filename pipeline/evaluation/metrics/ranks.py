"""Ranking metrics: the areas under the ROC curve and the precision-recall curve.

They are not functions of sums. Their influence functions make them so: the functions below return
numbers whose mean is the metric, and whose mean over a draw is, up to terms of second order, the
metric of the draw (the infinitesimal jackknife: B. Efron, The Jackknife, the Bootstrap and Other
Resampling Plans, 1982, chapter 6).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from pipeline.evaluation.metrics.decided import of_one
from pipeline.evaluation.metrics.metric import (
    Counts,
    Metric,
    Sums,
    Table,
    mean_within_1,
)
from pipeline.evaluation.outputs import SystemOutput

Area = Callable[[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]], Float[np.ndarray, " n"]]
"""From the scores and which samples are positive, computes numbers whose mean is the area; NaN
where it is undefined."""


def fewer(sums: Sums, num_samples: Counts) -> Counts:
    """Return how many samples there are of the rarer kind, positive or negative.

    An area without a misplaced sample is no surer than that many samples make it.
    """
    return np.asarray(np.minimum(sums[:, 1], num_samples - sums[:, 1]))


area_metric = partial(
    Metric,
    value=mean_within_1,
    higher_is_better=True,
    interval="share",
    num_rarer=fewer,
    takes_weights=False,
)
"""Builds the metric of an area from the numbers whose mean it is."""


def of_output(output: int) -> dict[str, Metric]:
    """Return the metrics of one class against the rest, or of one label."""
    return {
        "roc_auc": area_metric(partial(_of_one, roc_area, output)),
        "average_precision": area_metric(partial(_of_one, average_precision, output)),
    }


def means(name: str) -> dict[str, Metric]:
    """Return the means over the classes or labels for which the metrics are defined.

    Args:
        name: the name of the mean average precision.
    """
    return {
        "roc_auc": area_metric(partial(_of_all, roc_area)),
        name: area_metric(partial(_of_all, average_precision)),
    }


def roc_area(
    scores: Float[np.ndarray, " n"], is_so: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Compute the area under the ROC curve; undefined where all samples are of one kind.

    E. DeLong, D. DeLong and D. Clarke-Pearson, Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves, 1988: their components V10 and V01.
    """
    num, num_so = len(scores), int(is_so.sum())
    if num_so in (0, num):
        return np.full(num, np.nan)
    run = _runs(scores)
    so_below, below = _below(run, is_so), _below(run, np.ones(num))
    ranked = np.where(is_so, (below - so_below) / (num - num_so), 1 - so_below / num_so)
    area = ranked[is_so].mean()
    return np.asarray(area + (ranked - area) * num / np.where(is_so, num_so, num - num_so))


def average_precision(
    scores: Float[np.ndarray, " n"], is_so: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Compute average precision as scikit-learn does; undefined without a positive sample.

    It is the mean, over the positive samples, of the precision at their score as the threshold.
    With T(s) and P(s) the fractions of samples with a score of at least s that are positive, and of
    all samples with such a score, it is E[y T/P] / E[y]; below is the derivative with respect to
    the weight of each sample.
    """
    num, num_so = len(scores), int(is_so.sum())
    if num_so == 0:
        return np.full(num, np.nan)
    run, y = _runs(scores), is_so.astype(np.float64)
    from_here = _from_here(run, np.ones(num))
    precision = _from_here(run, y) / from_here
    gained = _up_to_here(run, y / from_here)
    lost = _up_to_here(run, y * precision / from_here)
    area = precision[is_so].mean()
    return np.asarray(area + (y * (precision + gained - area) - lost) * num / num_so)


def score(output: int, outputs: SystemOutput) -> Float[np.ndarray, " n"]:
    """Return the ranking score: the log-probability of a class or the log-odds of a label."""
    own: np.ndarray = outputs.predictions[:, output]
    return own if own.ndim == 1 else np.asarray(own[:, 1] - own[:, 0])


def _of_one(area: Area, output: int, outputs: SystemOutput, targets: np.ndarray) -> Table:
    """Return numbers whose mean is the area, and which samples are positive."""
    is_so = of_one(output, targets)
    return np.stack([area(score(output, outputs), is_so), is_so], axis=1)


def _of_all(area: Area, outputs: SystemOutput, targets: np.ndarray) -> Table:
    num_outputs = outputs.predictions.shape[1]
    tables = [_of_one(area, output, outputs, targets) for output in range(num_outputs)]
    defined = [table for table in tables if not np.isnan(table).any()] or tables
    rarest = min(defined, key=lambda table: min(table[:, 1].mean(), 1 - table[:, 1].mean()))
    return np.stack([np.mean([table[:, 0] for table in defined], axis=0), rarest[:, 1]], axis=1)


def _runs(scores: Float[np.ndarray, " n"]) -> np.ndarray:
    """Return the rank of each sample's score; equal scores share a rank."""
    return np.unique(scores, return_inverse=True)[1]


def _below(run: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, " n"]:
    """Return the weight of samples with a lower score, plus half the weight of equal ones."""
    sums = np.bincount(run, weights)
    return np.asarray((np.cumsum(sums) - sums / 2)[run])


def _up_to_here(run: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, " n"]:
    return np.asarray(np.cumsum(np.bincount(run, weights))[run])


def _from_here(run: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, " n"]:
    return np.asarray(np.cumsum(np.bincount(run, weights)[::-1])[::-1][run])
