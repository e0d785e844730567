"""Mistakes one can look at: the surest ones, and the classes that are taken for each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.metrics._metric import ratio
from pipeline.evaluation.yardstick import Yardstick

MOST = 200
"""Mistakes, or pairs of classes, that are listed."""


class Mistake(NamedTuple):
    """One wrong answer."""

    id: str
    true: str
    answered: str
    probability: float
    """Of the answer."""
    true_probability: float


class Miss(NamedTuple):
    """One value that is far off."""

    id: str
    value: str
    true: float
    answered: float
    error: float
    """In standard deviations of train."""


@dataclass(frozen=True)
class Confusion:
    """How often one class is answered where another is true."""

    true: str
    answered: str
    count: int
    num_true: int
    share: Estimate
    """Of those that are true."""


def mistakes(
    answers: Answers, targets: np.ndarray, ids: np.ndarray, names: Sequence[str]
) -> list[Mistake]:
    """The surest wrong answers first; of labels, those that are wrong one by one."""
    if targets.ndim == 1:
        found = _of(answers.predictions, answers.decided, targets, ids, names)
    else:
        found = [
            mistake
            for i, name in enumerate(names)
            for mistake in _of(
                answers.predictions[:, i],
                answers.decided[:, i].astype(int),
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
    """The largest errors first.

    Args:
        std: of each value over train.
    """
    errors = (values - targets) / np.array(std)
    order = np.argsort(-np.abs(errors), axis=None, kind="stable")[:MOST]
    return [
        Miss(str(ids[n]), names[t], *map(float, (targets[n, t], values[n, t], errors[n, t])))
        for n, t in zip(*np.unravel_index(order, errors.shape), strict=True)
    ]


def confusions(
    yardstick: Yardstick, decided: Int[np.ndarray, " n"] | Bool[np.ndarray, "n k"]
) -> list[Confusion]:
    """The most frequent pairs first. Of labels: one is missed, and the other is given where it
    should not be."""
    names = yardstick.names
    is_true, is_given = (_one_hot(a, len(names)) for a in (yardstick.targets, decided))
    missed, wrong = is_true & ~is_given, is_given & ~is_true
    counts = missed.T.astype(np.float32) @ wrong.astype(np.float32)
    order = np.argsort(-counts, axis=None, kind="stable")[: min(MOST, np.count_nonzero(counts))]
    pairs = [(int(place) // len(names), int(place) % len(names)) for place in order]
    shares = yardstick.estimates({
        f"{i} {j}": _share(missed[:, i] & wrong[:, j], is_true[:, i]) for i, j in pairs
    })  # fmt: skip
    num_true = is_true.sum(axis=0)
    return [
        Confusion(names[i], names[j], int(counts[i, j]), int(num_true[i]), shares[f"{i} {j}"])
        for i, j in pairs
    ]


def _share(part: Bool[np.ndarray, " n"], whole: Bool[np.ndarray, " n"]) -> Metric:
    table = np.stack([part, whole], axis=1).astype(float)
    return Metric(
        lambda *_: table, lambda sums, _: ratio(sums[:, 0], sums[:, 1]), higher_is_better=False
    )


def _one_hot(answers: np.ndarray, num_names: int) -> Bool[np.ndarray, "n k"]:
    return answers if answers.ndim == 2 else answers[:, None] == np.arange(num_names)


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
