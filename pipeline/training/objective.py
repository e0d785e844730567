"""The objective of a fit: the recipe's loss, with the weights and the offsets of the classes."""

from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.core.artifacts import Scale
from pipeline.core.component import Component, load
from pipeline.losses.shared.adjusted import adjusted
from pipeline.losses.shared.standardised import standardised
from pipeline.training.balance import Balance

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_of(
    loss: Component, scale: Scale, balance: Balance, epoch: int, device: torch.device
) -> Loss:
    """Return the loss in one epoch of logits and targets, which are in their own units.

    Args:
        scale: mean and standard deviation of values; empty for other tasks.
    """
    weights, offset = (
        None if numbers is None else torch.tensor(numbers, device=device)
        for numbers in (balance.weights(epoch), balance.loss_offset(epoch))
    )
    made: Loss = load("loss", loss).build(loss, weights)
    if offset is not None:
        made = adjusted(made, offset)
    if not scale:
        return made
    mean, std = torch.tensor(scale, device=device, dtype=torch.float64)
    return standardised(made, mean, std)
