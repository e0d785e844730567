"""Compute a regression loss in standard deviations from the mean over train."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

Loss = Callable[[Float[Tensor, "n t"], Float[Tensor, "n t"]], Float[Tensor, ""]]


def standardised(loss: Loss, mean: Float[Tensor, " t"], std: Float[Tensor, " t"]) -> Loss:
    """Wrap `loss` to take targets in their own units."""

    def of_targets(
        logits: Float[Tensor, "n t"], targets: Float[Tensor, "n t"]
    ) -> Float[Tensor, ""]:
        return loss(logits, (targets - mean.to(targets)) / std.to(targets))

    return of_targets
