"""Reduce a batch of losses to one number, with enough precision."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.core.errors import UserError


def widened(logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Convert to at least fp32, so that a sum over a batch keeps its digits; fp64 stays."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def weighted_mean(
    losses: Float[Tensor, "*n"], weights: Float[Tensor, "*n"] | None
) -> Float[Tensor, ""]:
    """Return the mean of the weighted losses.

    The sum is divided by the number of losses, not by the sum of the weights, so that a part of a
    batch counts by its size.
    """
    return losses.mean() if weights is None else (losses * weights).mean()


def refuse_weights(loss: str, class_weights: Float[Tensor, " k"] | None) -> None:
    """Raise UserError if class weights are given and `loss` does not support them."""
    if class_weights is not None:
        raise UserError(
            f"training.class_weights: the loss {loss} is for values, which have no classes to "
            "weight; allowed null; remove class_weights"
        )
