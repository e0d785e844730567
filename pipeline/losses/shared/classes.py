"""Weigh samples by their classes."""

from jaxtyping import Float, Int
from torch import Tensor

Targets = Int[Tensor, " n"] | Float[Tensor, "n k"]


def sample_weights(
    class_weights: Float[Tensor, " k"] | None, targets: Targets
) -> Float[Tensor, " n"] | None:
    """Return the weight of each sample, by its class or by its shares of the classes."""
    if class_weights is None:
        return None
    weights = class_weights.to(targets.device)
    return targets @ weights.to(targets.dtype) if targets.ndim == 2 else weights[targets]
