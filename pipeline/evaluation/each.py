"""The metrics of one system by class, by label or by value."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.core.kind import Kind
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.metrics import of_each
from pipeline.evaluation.outputs import SystemOutput


class Each(NamedTuple):
    """One metric of one class, label or value."""

    name: str
    metric: str
    value: float
    low: float
    high: float
    num_samples: int


def each(evaluator: Evaluator, outputs: SystemOutput) -> list[Each]:
    """Return every metric that the samples define; the recall of an absent class, say, is not."""
    bootstrap, targets = evaluator.bootstrap, evaluator.targets
    own = zip(evaluator.names, of_each(evaluator.kind, len(evaluator.names)), strict=True)
    return [
        Each(name, metric, *estimate)
        for name, metrics in own
        for metric, estimate in bootstrap.estimates(metrics, outputs, targets).items()
    ]


def absences(kind: Kind, names: Sequence[str], targets: dict[str, np.ndarray]) -> list[str]:
    """Name the classes or labels without a sample, in one sentence for each split.

    Args:
        targets: the targets of each split, by its name.
    """
    found = []
    for split, own in targets.items() if kind != "values" else ():
        counts = own.sum(axis=0) if own.ndim == 2 else np.bincount(own, minlength=len(names))
        missing = [name for name, num in zip(names, counts, strict=True) if not num]
        if missing:
            them = "it" if len(missing) == 1 else "them"
            listed = ", ".join(missing)
            found.append(f"{split} has no sample of {listed}, so it says nothing about {them}")
    return found
