"""Add an offset to the logits that a loss sees, so that the network learns predictions without it.

A. Menon et al., Long-tail Learning via Logit Adjustment, 2021, equation 10: with the logs of the
classes' shares as offset, the network predicts as if all classes were equally common.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from pipeline.losses.shared.batch import widened

Loss = Callable[[Float[Tensor, "n k"], Tensor], Float[Tensor, ""]]


def adjusted(loss: Loss, offset: Float[Tensor, " k"]) -> Loss:
    """Wrap `loss` to see each logit with its offset added."""

    def of_adjusted(logits: Float[Tensor, "n k"], targets: Tensor) -> Float[Tensor, ""]:
        return loss(widened(logits) + offset, targets)

    return of_adjusted
