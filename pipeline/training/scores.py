"""The monitored scores of a fit, which its task defines."""

from collections.abc import Callable

import numpy as np

from pipeline.core.artifacts import Scale
from pipeline.core.component import Component, load

Scores = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def scores_of(task: Component, scale: Scale) -> Scores:
    """Return the task's score function: scores of each sample, from logits and targets."""
    rules = load("task", task)

    def scores(logits: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        predictions = rules.predictions(logits, *scale)
        made: dict[str, np.ndarray] = rules.scores(predictions, targets, *scale)
        return made

    return scores
