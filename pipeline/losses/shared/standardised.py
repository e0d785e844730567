"""Compute a regression loss in standard deviations from the mean over train."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Loss = Callable[[Float[Tensor, "n t"], Float[Tensor, "n t"]], Float[Tensor, ""]]


def standardised(loss: Loss, mean: Float[Tensor, " t"], std: Float[Tensor, " t"]) -> Loss:
    """Wrap `loss` to take targets in their own units, which are standardised in float64.

    Large values that differ little, such as times in seconds, lose their differences in float32.
    """

    def of_targets(
        logits: Float[Tensor, "n t"], targets: Float[Tensor, "n t"]
    ) -> Float[Tensor, ""]:
        centred = (targets.double() - mean.to(targets.device)) / std.to(targets.device)
        return loss(logits, centred.to(torch.promote_types(logits.dtype, torch.float32)))

    return of_targets
