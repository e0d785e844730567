"""The objective of a fit: the recipe's loss, with the weights and the offsets of the classes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.config.distillation import Student
from pipeline.core.artifacts import Scale
from pipeline.core.component import Component, load
from pipeline.losses.shared.adjusted import adjusted
from pipeline.losses.shared.standardised import standardised
from pipeline.training.balance import Balance
from pipeline.training.batches import Batch
from pipeline.training.distillation import tempered

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class BatchLoss:
    """The loss of a batch, in one epoch."""

    of_labels: Loss
    of_teacher: Loss | None = None
    weight: float = 0.0
    """The share of the teacher."""

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        loss = _shared(self.of_labels, logits, batch.targets, batch.other_targets, batch.share)
        if self.of_teacher is None or batch.taught is None:
            return loss
        taught = _shared(self.of_teacher, logits, batch.taught, batch.other_taught, batch.share)
        return (1 - self.weight) * loss + self.weight * taught


def objective_of(
    loss: Component,
    scale: Scale,
    balance: Balance,
    epoch: int,
    device: torch.device,
    student: Student | None = None,
) -> BatchLoss:
    """Return the loss of batches in one epoch.

    Args:
        scale: mean and standard deviation of values; empty for other tasks.
        student: how the network learns from a teacher, if it has one.
    """
    given = loss, scale, balance, epoch, device
    if student is None:
        return BatchLoss(_loss_of(*given))
    return BatchLoss(_loss_of(*given), _loss_of(*given, student.temperature), student.weight)


def _loss_of(
    loss: Component,
    scale: Scale,
    balance: Balance,
    epoch: int,
    device: torch.device,
    temperature: float = 1.0,
) -> Loss:
    """Return the loss of logits and targets, which are in their own units."""
    weights, offset = (
        None if numbers is None else torch.tensor(numbers, device=device)
        for numbers in (balance.weights(epoch), balance.loss_offset(epoch))
    )
    made = tempered(load("loss", loss).build(loss, weights), temperature)
    if offset is not None:
        made = adjusted(made, offset)
    if not scale:
        return made
    mean, std = torch.tensor(scale, device=device, dtype=torch.float64)
    return standardised(made, mean, std)


def _shared(
    loss: Loss, logits: Tensor, targets: Tensor, others: Tensor | None, share: float
) -> Tensor:
    """Return the loss of mixed images: those of both targets, by their shares."""
    own = loss(logits, targets)
    return own if others is None else share * own + (1 - share) * loss(logits, others)
