"""The curves of one system as table rows: ROC, precision-recall and reliability.

Each class or label has its own curve, one against the rest, and there is one curve over all of
them. With two classes only the curve of the second is given, as it says everything; with more than
20 classes or labels, only the curve over all of them.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float

from pipeline.evaluation.metrics.calibration import bins
from pipeline.evaluation.metrics.decided import one_hot
from pipeline.evaluation.metrics.probabilities import probs
from pipeline.evaluation.outputs import SystemOutput

ALL = "(all)"
MOST_CURVES, MOST_POINTS = 20, 200


Curve = tuple[str, Float[np.ndarray, " n"], Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]
"""A name, the predicted probabilities, which samples are positive, and how much each counts."""


class RocPoint(NamedTuple):
    """The two rates that result from predicting positive at or above a threshold."""

    curve: str
    false_positive_rate: float
    true_positive_rate: float
    threshold: float
    """A probability."""


class PrecisionPoint(NamedTuple):
    """The recall and precision that result from predicting positive at or above a threshold."""

    curve: str
    recall: float
    precision: float
    threshold: float
    """A probability."""


class ReliabilityBin(NamedTuple):
    """Samples with nearly the same predicted probability."""

    curve: str
    predicted: float
    """The mean predicted probability."""
    observed: float
    """The fraction of positives, followed by its interval."""
    low: float
    high: float
    num_samples: int


def roc(
    outputs: SystemOutput,
    targets: np.ndarray,
    names: Sequence[str],
    weights: Float[np.ndarray, " n"],
) -> list[RocPoint]:
    """Return ROC curves, without a class or label that all samples have or that none has.

    Args:
        weights: how much each sample counts, here and in the other curves; the mean is 1.
    """
    from sklearn.metrics import roc_curve  # a second to import

    return [
        RocPoint(name, *point)
        for name, share, is_so, own in _each(outputs, targets, names, weights)
        if is_so.any() and not is_so.all()
        for point in _thinned(*roc_curve(is_so, share, sample_weight=own))
    ]


def precision_recall(
    outputs: SystemOutput,
    targets: np.ndarray,
    names: Sequence[str],
    weights: Float[np.ndarray, " n"],
) -> list[PrecisionPoint]:
    """Return precision-recall curves, without a class or label that no sample has."""
    return [
        PrecisionPoint(name, *point)
        for name, share, is_so, own in _each(outputs, targets, names, weights)
        if is_so.any()
        for point in _thinned(*_from_the_right(is_so, share, own))
    ]


def reliability(
    outputs: SystemOutput,
    targets: np.ndarray,
    names: Sequence[str],
    weights: Float[np.ndarray, " n"],
    *,
    num_bins: int,
    confidence: float,
) -> list[ReliabilityBin]:
    """Return reliability diagrams in bins of equal width, without the empty bins.

    The curve over all classes is that of the most probable class. The intervals assume independent
    samples.
    """
    return [
        ReliabilityBin(name, *row)
        for name, share, is_so, own in _each(
            outputs, targets, names, weights, of_most_probable=True
        )
        for row in _bins(share, is_so, own, num_bins, confidence)
    ]


def _each(
    outputs: SystemOutput,
    targets: np.ndarray,
    names: Sequence[str],
    weights: Float[np.ndarray, " n"],
    *,
    of_most_probable: bool = False,
) -> Iterator[Curve]:
    """Yield the name of each curve and its samples."""
    share, is_so = probs(outputs), one_hot(targets, len(names))
    if outputs.predictions.shape[1:] == (2,):
        yield names[1], share[:, 1], is_so[:, 1], weights
        return
    if of_most_probable and outputs.predictions.ndim == 2:
        yield ALL, share.max(axis=1), share.argmax(axis=1) == targets, weights
    else:
        yield ALL, share.ravel(), is_so.ravel(), np.repeat(weights, len(names))
    if len(names) <= MOST_CURVES:
        for name, *curve in zip(names, share.T, is_so.T, strict=True):
            yield name, *curve, weights


def _from_the_right(
    is_so: Bool[np.ndarray, " n"],
    share: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return recall, precision and thresholds in order of rising recall."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(is_so, share, sample_weight=weights)
    return recall[::-1], precision[::-1], np.append(thresholds, np.inf)[::-1]


def _thinned(
    x: Float[np.ndarray, " p"], y: Float[np.ndarray, " p"], thresholds: Float[np.ndarray, " p"]
) -> Iterator[list[float]]:
    """Yield at most `MOST_POINTS` points, evenly spaced along the curve, with both its ends."""
    passed = np.append(0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    wanted = np.linspace(0, passed[-1], MOST_POINTS)
    kept = np.unique(np.searchsorted(passed, wanted).clip(0, len(x) - 1))
    kept = np.unique(np.append(kept, len(x) - 1))
    yield from np.stack([x, y, np.minimum(thresholds, 1)], axis=1)[kept].tolist()


def _bins(
    share: Float[np.ndarray, " n"],
    is_so: Bool[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    num_bins: int,
    confidence: float,
) -> Iterator[tuple[float, float, float, float, int]]:
    """Yield mean probability, fraction of positives, its interval and the count of each bin.

    The intervals are those of C. Clopper and E. Pearson, The Use of Confidence or Fiducial Limits,
    1934; where samples count differently, for Kish's effective number of samples.
    """
    bin_of = bins(num_bins, share)
    for place in np.unique(bin_of):
        inside = bin_of == place
        own = weights[inside]
        observed = float(np.average(is_so[inside], weights=own))
        num = float(own.sum() ** 2 / (own**2).sum())
        num_so, tail = observed * num, (1 - confidence) / 2
        low = float(scipy.stats.beta.ppf(tail, num_so, num - num_so + 1)) if observed else 0.0
        high = float(scipy.stats.beta.isf(tail, num_so + 1, num - num_so)) if observed < 1 else 1.0
        predicted = float(np.average(share[inside], weights=own))
        yield predicted, observed, low, high, int(inside.sum())
