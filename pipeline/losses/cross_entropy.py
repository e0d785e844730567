"""Cross-entropy of the softmax, with label smoothing.

Smoothing: C. Szegedy et al., Rethinking the Inception Architecture, 2016, section 7.
"""

from collections.abc import Callable
from typing import Annotated

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipeline.component import Component


class Params(Component):
    """`label_smoothing` is the share of each target spread evenly over all classes."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


Loss = Callable[[Float[Tensor, "n k"], Int[Tensor, " n"]], Float[Tensor, ""]]


def build(params: Params, class_weights: Float[Tensor, " k"] | None) -> Loss:
    """Mean over the batch, in nats.

    Args:
        class_weights: of mean 1 over the training samples. The weighted losses are divided by the
            number of samples, not by the sum of their weights: a part of a batch then counts by
            its size, and two devices end where one does.
    """

    def loss(logits: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> Float[Tensor, ""]:
        losses = functional.cross_entropy(
            logits.float(),
            targets,
            label_smoothing=params.label_smoothing,
            reduction="mean" if class_weights is None else "none",
        )
        if class_weights is None:
            return losses
        return (losses * class_weights.to(losses.device)[targets]).mean()

    return loss
