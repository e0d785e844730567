"""Individual mistakes: the most confident, the largest errors and the most confused classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.metrics.decided import one_hot
from pipeline.evaluation.metrics.metric import ratio
from pipeline.evaluation.outputs import SystemOutput

MOST = 200
"""The most mistakes, or pairs of classes, that are listed."""


class Mistake(NamedTuple):
    """One wrong prediction."""

    id: str
    true: str
    predicted: str
    probability: float
    """The probability of the predicted class or label."""
    true_probability: float


class Miss(NamedTuple):
    """One value with a large error."""

    id: str
    value: str
    true: float
    predicted: float
    error: float
    """The error in standard deviations over train."""


@dataclass(frozen=True)
class Confusion:
    """How often one class is predicted where another is true."""

    true: str
    predicted: str
    count: int
    num_true: int
    share: Estimate
    """The fraction of the samples of the true class."""


@dataclass(frozen=True)
class PredictedCount:
    """One cell of the confusion matrix."""

    true: str
    predicted: str
    count: int


def mistakes(
    outputs: SystemOutput, targets: np.ndarray, ids: np.ndarray, names: Sequence[str]
) -> list[Mistake]:
    """Return wrong predictions, the most confident first; each label counts on its own."""
    if targets.ndim == 1:
        found = _of(outputs.predictions, outputs.decided, targets, ids, names)
    else:
        found = [
            mistake
            for i, name in enumerate(names)
            for mistake in _of(
                outputs.predictions[:, i],
                outputs.decided[:, i].astype(int),
                targets[:, i].astype(int),
                ids,
                (f"no {name}", name),
            )
        ]
    return sorted(found, key=lambda m: (-m.probability, m.id, m.true))[:MOST]


def misses(
    values: Float[np.ndarray, "n t"],
    targets: Float[np.ndarray, "n t"],
    std: Sequence[float],
    ids: np.ndarray,
    names: Sequence[str],
) -> list[Miss]:
    """Return the largest errors first.

    Args:
        std: the standard deviation of each value over train.
    """
    errors = (values - targets) / np.array(std)
    order = np.argsort(-np.abs(errors), axis=None, kind="stable")[:MOST]
    return [
        Miss(str(ids[n]), names[t], *map(float, (targets[n, t], values[n, t], errors[n, t])))
        for n, t in zip(*np.unravel_index(order, errors.shape), strict=True)
    ]


def confusions(
    evaluator: Evaluator, decided: Int[np.ndarray, " n"] | Bool[np.ndarray, "n k"]
) -> list[Confusion]:
    """Return confused pairs, the most frequent first.

    For labels, a pair is a label that is missed and another that is predicted but not true.
    """
    names = evaluator.names
    is_true, is_given = (one_hot(a, len(names)) for a in (evaluator.targets, decided))
    missed, wrong = is_true & ~is_given, is_given & ~is_true
    counts = missed.T.astype(np.float32) @ wrong.astype(np.float32)
    order = np.argsort(-counts, axis=None, kind="stable")[: min(MOST, np.count_nonzero(counts))]
    pairs = [(int(place) // len(names), int(place) % len(names)) for place in order]
    shares = evaluator.estimates({
        f"{i} {j}": _share(missed[:, i] & wrong[:, j], is_true[:, i]) for i, j in pairs
    })  # fmt: skip
    num_true = is_true.sum(axis=0)
    return [
        Confusion(names[i], names[j], int(counts[i, j]), int(num_true[i]), shares[f"{i} {j}"])
        for i, j in pairs
    ]


def confusion_matrix(
    outputs: SystemOutput, targets: Int[np.ndarray, " n"], names: Sequence[str]
) -> list[PredictedCount]:
    """Return the cells of the confusion matrix that are not zero, row by row."""
    counts = Counter(zip(targets.tolist(), outputs.decided.tolist(), strict=True))
    return [PredictedCount(names[i], names[j], num) for (i, j), num in sorted(counts.items())]


def _share(part: Bool[np.ndarray, " n"], whole: Bool[np.ndarray, " n"]) -> Metric:
    table = np.stack([part, whole], axis=1).astype(float)
    return Metric(
        lambda *_: table,
        lambda sums, _: ratio(sums[:, 0], sums[:, 1]),
        higher_is_better=False,
        interval="share",
        share_of=lambda sums, _: sums[:, 1],
    )


def _of(
    log_probs: Float[np.ndarray, "n k"],
    decided: Int[np.ndarray, " n"],
    targets: Int[np.ndarray, " n"],
    ids: np.ndarray,
    names: Sequence[str],
) -> list[Mistake]:
    probs = np.exp(log_probs)
    return [
        Mistake(
            str(ids[n]),
            names[targets[n]],
            names[decided[n]],
            float(probs[n, decided[n]]),
            float(probs[n, targets[n]]),
        )
        for n in np.flatnonzero(decided != targets)
    ]
