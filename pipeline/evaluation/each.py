"""One system, class by class, label by label or value by value."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.metrics import of_each
from pipeline.evaluation.yardstick import Yardstick
from pipeline.space import Kind


class Each(NamedTuple):
    """One figure of one class, label or value."""

    name: str
    metric: str
    value: float
    low: float
    high: float
    num_samples: int


def each(yardstick: Yardstick, answers: Answers) -> list[Each]:
    """But for what the samples do not define, as the recall of a class that none has."""
    bootstrap, targets = yardstick.bootstrap, yardstick.targets
    own = zip(yardstick.names, of_each(yardstick.kind, len(yardstick.names)), strict=True)
    return [
        Each(name, metric, *estimate)
        for name, metrics in own
        for metric, estimate in bootstrap.estimates(metrics, answers, targets).items()
    ]


def absences(kind: Kind, names: Sequence[str], targets: dict[str, np.ndarray]) -> list[str]:
    """What could not be judged, in a sentence a split: classes or labels that it has no sample of.

    Args:
        targets: by split.
    """
    found = []
    for split, own in targets.items() if kind != "values" else ():
        counts = own.sum(axis=0) if own.ndim == 2 else np.bincount(own, minlength=len(names))
        missing = [name for name, num in zip(names, counts, strict=True) if not num]
        if missing:
            them = "it" if len(missing) == 1 else "them"
            listed = ", ".join(missing)
            found.append(f"{split} has no sample of {listed}: nothing is known of {them} there")
    return found
