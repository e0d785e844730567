"""What is watched of a fit: the scores of its task."""

from collections.abc import Callable

import numpy as np

from pipeline.artifacts import Scale
from pipeline.component import Component, load

Scores = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def scores_of(task: Component, scale: Scale) -> Scores:
    """Return what a task watches: figures of each sample, from logits and targets."""
    rules = load("task", task)

    def scores(logits: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        predictions = rules.predictions(logits, *scale)
        made: dict[str, np.ndarray] = rules.scores(predictions, targets, *scale)
        return made

    return scores
