"""What the losses share: enough precision, and how a batch becomes one number."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.errors import UserError


def widened(logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """In fp32 at least, so that a sum over a batch keeps its digits; fp64 stays."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def weighted_mean(
    losses: Float[Tensor, "*n"], weights: Float[Tensor, "*n"] | None
) -> Float[Tensor, ""]:
    """Mean of the weighted losses.

    They are divided by their number, not by the sum of the weights: a part of a batch then counts
    by its size.
    """
    return losses.mean() if weights is None else (losses * weights).mean()


def refuse_weights(loss: str, class_weights: Float[Tensor, " k"] | None) -> None:
    """Raises UserError where classes are to be weighed and `loss` knows none."""
    if class_weights is not None:
        raise UserError(
            f"training.class_weights: the loss {loss} is of values and has no classes to weigh; "
            "allowed null; remove class_weights"
        )
