"""Penalties on the weights, and gradient clipping."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from pipeline.config import optimisation as settings


def penalty(chosen: settings.Penalty, weights: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Compute l1 Σ|w| + l2 / 2 Σw², to be added to the loss of a batch.

    Args:
        weights: the parameters that decay; at least one.
    """
    total = torch.zeros((), device=weights[0].device)
    if chosen.l1:
        total = total + chosen.l1 * torch.stack([w.abs().sum() for w in weights]).sum()
    if chosen.l2:
        total = total + chosen.l2 / 2 * torch.stack([w.square().sum() for w in weights]).sum()
    return total


def clip(chosen: settings.Clip, parameters: Sequence[nn.Parameter]) -> None:
    """Clip the gradients in place: those of the global batch, once they are complete."""
    if chosen.by == "norm":
        clip_grad_norm_(parameters, chosen.at)
    else:
        clip_grad_value_(parameters, chosen.at)
