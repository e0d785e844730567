"""Metrics of decisions: functions of how often each class or label is predicted and true.

The sums hold, for each of k classes or labels, how often it is both predicted and true, how often
predicted, and how often true. Averages are those of scikit-learn, over the classes that occur among
the predictions or the targets; a ratio with a denominator of 0 counts as 0. Where nothing occurs,
they are undefined.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool

from pipeline.evaluation.metrics.metric import (
    Counts,
    Figures,
    Metric,
    Sums,
    Table,
    lacking,
    ratio,
)
from pipeline.evaluation.outputs import SystemOutput

Share = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Computes a ratio from how often predicted and true, how often predicted, how often true."""
SHARES: dict[str, Share] = {
    "precision": lambda hits, predicted, _: ratio(hits, predicted),
    "recall": lambda hits, _, true: ratio(hits, true),
    "f1": lambda hits, predicted, true: ratio(2 * hits, predicted + true),
}
SHARES_OF: dict[str, Share] = {
    "precision": lambda _, predicted, __: predicted,
    "recall": lambda _, __, true: true,
    "f1": lambda hits, predicted, true: predicted + true - hits,
}
"""The number of samples in the denominator of each metric."""


def one_hot(classes: np.ndarray, num_classes: int) -> Bool[np.ndarray, "n k"]:
    """Turn class indices into one column for each class; labels have that form already."""
    return classes if classes.ndim == 2 else classes[:, None] == np.arange(num_classes)


def of_one(output: int, classes: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Return which samples have this class or label."""
    return classes[:, output] if classes.ndim == 2 else np.equal(classes, output)


def counts(outputs: SystemOutput, targets: np.ndarray) -> Table:
    """Return for each class or label whether it is predicted and true, predicted, true."""
    num_outputs = outputs.predictions.shape[1]
    predicted, true = (one_hot(a, num_outputs) for a in (outputs.decided, targets))
    return np.hstack([predicted & true, predicted, true]).astype(np.float64)


def counts_of(output: int, outputs: SystemOutput, targets: np.ndarray) -> Table:
    """Return the same three columns for one class or label."""
    predicted, true = of_one(output, outputs.decided), of_one(output, targets)
    return np.stack([predicted & true, predicted, true], axis=1).astype(np.float64)


def averages() -> dict[str, Metric]:
    """Return the macro, weighted and micro averages.

    Macro counts all classes alike, weighted counts them by their size, and micro pools all
    predictions; where each sample has one class, micro averages equal the accuracy.
    """
    ways = {"macro": _macro, "micro": _micro, "weighted": _weighted}
    return {
        f"{way}_{name}": Metric(
            counts,
            partial(average, share),
            higher_is_better=True,
            interval="share",
            floor=partial(_floor, name) if way == "macro" else None,
        )
        for way, average in ways.items()
        for name, share in SHARES.items()
    }


def of_output(output: int) -> dict[str, Metric]:
    """Return the metrics of one class against the rest, or of one label.

    They are undefined where their denominator is 0.
    """
    own = partial(counts_of, output)
    return {
        name: Metric(
            own,
            partial(_of_sums, share),
            higher_is_better=True,
            interval="share",
            share_of=partial(_of_sums, SHARES_OF[name]),
        )
        for name, share in SHARES.items()
    }


def balanced_accuracy(sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    """Compute the mean recall of the classes that occur among the targets."""
    hits, _, true = np.split(sums, 3, axis=1)
    return ratio(np.nan_to_num(ratio(hits, true)).sum(axis=1), (true > 0).sum(axis=1))


def balanced_accuracy_floor(sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    """Return the variance that draws lack, see `lacking`."""
    hits, _, true = np.split(sums, 3, axis=1)
    return lacking(np.nan_to_num(ratio(hits, true)), true)


def macro_balanced_accuracy(sums: Sums, num_samples: Counts) -> Figures:
    """Compute the mean over the labels of (sensitivity + specificity) / 2.

    A label that is present in all samples, or in none, counts with the one rate that it has.
    """
    rates, _ = _rates(sums, num_samples)
    return np.asarray(np.nanmean(rates, axis=0).mean(axis=1))


def macro_balanced_accuracy_floor(sums: Sums, num_samples: Counts) -> Figures:
    """Return the variance that draws lack, see `lacking`."""
    rates, counts = _rates(sums, num_samples)
    return lacking(np.nan_to_num(np.hstack([*rates])), np.hstack([*counts]))


def _rates(sums: Sums, num_samples: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Return each label's sensitivity and specificity, and the samples of each, `2 b k`."""
    hits, predicted, true = np.split(sums, 3, axis=1)
    absent = num_samples[:, None] - true
    rates = np.stack([ratio(hits, true), ratio(absent - predicted + hits, absent)])
    return rates, np.stack([true, absent])


def cohen_kappa(sums: Sums, num_samples: Counts) -> Figures:
    """Compute Cohen's kappa; undefined where all predictions and targets are one class.

    J. Cohen, A Coefficient of Agreement for Nominal Scales, 1960, equation 1.
    """
    hits, predicted, true = np.split(sums, 3, axis=1)
    by_chance = (predicted * true).sum(axis=1)
    return ratio(hits.sum(axis=1) * num_samples - by_chance, num_samples**2.0 - by_chance)


def matthews(sums: Sums, num_samples: Counts) -> Figures:
    """Compute the Matthews correlation; 0 where all predictions, or all targets, are one class.

    J. Gorodkin, Comparing Two K-Category Assignments by a K-Category Correlation Coefficient, 2004,
    equation 8.
    """
    hits, predicted, true = np.split(sums, 3, axis=1)
    covariance = hits.sum(axis=1) * num_samples - (predicted * true).sum(axis=1)
    spreads = [num_samples**2.0 - (part**2).sum(axis=1) for part in (predicted, true)]
    return np.asarray(np.nan_to_num(ratio(covariance, np.sqrt(spreads[0] * spreads[1]))))


def agreement_floor(sums: Sums, num_samples: Counts) -> Figures:
    """Return the variance that draws lack, that of the accuracy in units of the best agreement."""
    hits, predicted, true = np.split(sums, 3, axis=1)
    by_chance = (predicted * true).sum(axis=1) / num_samples**2.0
    right = hits.sum(axis=1, keepdims=True) / num_samples[:, None]
    return ratio(lacking(right, num_samples[:, None]), (1 - by_chance) ** 2)


def _floor(name: str, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    hits, predicted, true = np.split(sums, 3, axis=1)
    own = np.nan_to_num(SHARES[name](hits, predicted, true))
    return lacking(own, SHARES_OF[name](hits, predicted, true))


def _of_sums(share: Share, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    return share(*sums.T)


def _macro(share: Share, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    hits, predicted, true = np.split(sums, 3, axis=1)
    shares = np.nan_to_num(share(hits, predicted, true))
    return ratio(shares.sum(axis=1), (predicted + true > 0).sum(axis=1))


def _micro(share: Share, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    hits, predicted, true = (part.sum(axis=1) for part in np.split(sums, 3, axis=1))
    shares = np.nan_to_num(share(hits, predicted, true))
    return np.where(predicted + true > 0, shares, np.nan)


def _weighted(share: Share, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    hits, predicted, true = np.split(sums, 3, axis=1)
    shares = np.nan_to_num(share(hits, predicted, true))
    return ratio((shares * true).sum(axis=1), true.sum(axis=1))
