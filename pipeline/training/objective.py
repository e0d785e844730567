"""What a fit lowers, and what is watched of it: the recipe's loss and the task's scores."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.artifacts import Scale
from pipeline.component import Component, load, resolve
from pipeline.losses._standardised import standardised

Loss = Callable[[Tensor, Tensor], Tensor]
Scores = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def loss_of(
    loss: Component, class_weights: Sequence[float] | None, scale: Scale, device: torch.device
) -> Loss:
    """Return the loss of logits and of targets in their own units.

    Args:
        class_weights: one a class or label.
        scale: mean and standard deviation of values; empty for other tasks.
    """
    losses, own = resolve("loss", loss)
    weights = None if class_weights is None else torch.tensor(class_weights, device=device)
    made: Loss = losses.build(own, weights)
    if not scale:
        return made
    mean, std = torch.tensor(scale, device=device)
    return standardised(made, mean, std)


def scores_of(task: Component, scale: Scale) -> Scores:
    """Return what a task watches: figures of each sample, from logits and targets."""
    rules = load("task", task)

    def scores(logits: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        predictions = rules.predictions(logits, *scale)
        made: dict[str, np.ndarray] = rules.scores(predictions, targets, *scale)
        return made

    return scores
