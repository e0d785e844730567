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


def build(params: Params) -> Loss:
    """Mean over the batch, in nats."""

    def loss(logits: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> Float[Tensor, ""]:
        return functional.cross_entropy(
            logits.float(), targets, label_smoothing=params.label_smoothing
        )

    return loss
