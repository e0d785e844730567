"""The objective of a fit: the recipe's loss."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pipeline.core.artifacts import Scale
from pipeline.core.component import Component, load
from pipeline.losses.shared.standardised import standardised

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_of(
    loss: Component, class_weights: Sequence[float] | None, scale: Scale, device: torch.device
) -> Loss:
    """Return the loss of logits and targets, which are in their own units.

    Args:
        class_weights: one for each class or label.
        scale: mean and standard deviation of values; empty for other tasks.
    """
    losses = load("loss", loss)
    weights = None if class_weights is None else torch.tensor(class_weights, device=device)
    made: Loss = losses.build(loss, weights)
    if not scale:
        return made
    mean, std = torch.tensor(scale, device=device, dtype=torch.float64)
    return standardised(made, mean, std)
