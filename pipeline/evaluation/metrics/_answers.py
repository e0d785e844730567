"""Metrics of what was decided: functions of how often each class or label is answered and true.

Sums are, for each of k classes or labels, how often it is both answered and true, how often
answered, and how often true. Averages are those of scikit-learn, over the classes that occur as an
answer or as a truth; a share of nothing counts as 0. Where nothing occurs, they are undefined.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.metrics._metric import (
    Counts,
    Figures,
    Metric,
    Sums,
    Table,
    all_samples,
    ratio,
)

Share = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From how often answered and true, how often answered, and how often true."""
SHARES: dict[str, Share] = {
    "precision": lambda hits, answered, _: ratio(hits, answered),
    "recall": lambda hits, _, true: ratio(hits, true),
    "f1": lambda hits, answered, true: ratio(2 * hits, answered + true),
}
SHARES_OF: dict[str, Share] = {
    "precision": lambda _, answered, __: answered,
    "recall": lambda _, __, true: true,
    "f1": lambda hits, answered, true: answered + true - hits,
}
"""Of how many samples."""


def one_hot(classes: np.ndarray, num_classes: int) -> Bool[np.ndarray, "n k"]:
    """Of class indices; labels are that already."""
    return classes if classes.ndim == 2 else classes[:, None] == np.arange(num_classes)


def of_one(output: int, classes: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Where this class, or label, is given."""
    return classes[:, output] if classes.ndim == 2 else np.equal(classes, output)


def counts(answers: Answers, targets: np.ndarray) -> Table:
    """For each class or label whether it is answered and true, answered, true."""
    num_outputs = answers.predictions.shape[1]
    answered, true = (one_hot(a, num_outputs) for a in (answers.decided, targets))
    return np.hstack([answered & true, answered, true]).astype(np.float64)


def counts_of(output: int, answers: Answers, targets: np.ndarray) -> Table:
    """The same of one class or label."""
    answered, true = of_one(output, answers.decided), of_one(output, targets)
    return np.stack([answered & true, answered, true], axis=1).astype(np.float64)


def averages() -> dict[str, Metric]:
    """Macro counts classes alike, weighted by their size, micro takes all answers together; where
    each sample has one class, micro averages are the accuracy."""
    ways = {"macro": _macro, "micro": _micro, "weighted": _weighted}
    return {
        f"{way}_{name}": Metric(
            counts, partial(average, share), higher_is_better=True, share_of=all_samples
        )
        for way, average in ways.items()
        for name, share in SHARES.items()
    }


def of_output(output: int) -> dict[str, Metric]:
    """Of one class or label against the rest; undefined where they are shares of nothing."""
    own = partial(counts_of, output)
    return {
        name: Metric(
            own,
            partial(_of_sums, share),
            higher_is_better=True,
            share_of=partial(_of_sums, SHARES_OF[name]),
        )
        for name, share in SHARES.items()
    }


def balanced_accuracy(sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    """The mean recall of the classes that are true somewhere."""
    hits, _, true = np.split(sums, 3, axis=1)
    return ratio(np.nan_to_num(ratio(hits, true)).sum(axis=1), (true > 0).sum(axis=1))


def cohen_kappa(sums: Sums, num_samples: Counts) -> Figures:
    """J. Cohen, A Coefficient of Agreement for Nominal Scales, 1960, equation 1. Undefined where
    all answers and truths are one class."""
    hits, answered, true = np.split(sums, 3, axis=1)
    by_chance = (answered * true).sum(axis=1)
    return ratio(hits.sum(axis=1) * num_samples - by_chance, num_samples**2.0 - by_chance)


def matthews(sums: Sums, num_samples: Counts) -> Figures:
    """J. Gorodkin, Comparing Two K-Category Assignments by a K-Category Correlation Coefficient,
    2004, equation 8. 0 where all answers, or all truths, are one class."""
    hits, answered, true = np.split(sums, 3, axis=1)
    covariance = hits.sum(axis=1) * num_samples - (answered * true).sum(axis=1)
    spreads = [num_samples**2.0 - (part**2).sum(axis=1) for part in (answered, true)]
    return np.asarray(np.nan_to_num(ratio(covariance, np.sqrt(spreads[0] * spreads[1]))))


def _of_sums(share: Share, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    return share(*sums.T)


def _macro(share: Share, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    hits, answered, true = np.split(sums, 3, axis=1)
    shares = np.nan_to_num(share(hits, answered, true))
    return ratio(shares.sum(axis=1), (answered + true > 0).sum(axis=1))


def _micro(share: Share, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    hits, answered, true = (part.sum(axis=1) for part in np.split(sums, 3, axis=1))
    shares = np.nan_to_num(share(hits, answered, true))
    return np.where(answered + true > 0, shares, np.nan)


def _weighted(share: Share, sums: Sums, num_samples: Counts) -> Figures:  # noqa: ARG001
    hits, answered, true = np.split(sums, 3, axis=1)
    shares = np.nan_to_num(share(hits, answered, true))
    return ratio((shares * true).sum(axis=1), true.sum(axis=1))
