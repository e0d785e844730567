"""Cross-entropy of the softmax that weighs samples less the better they are classified.

T.-Y. Lin et al., Focal Loss for Dense Object Detection, 2017, equation 4. The paper's α of a class
is its class weight here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int
    from torch import Tensor

    Loss = Callable[[Float[Tensor, "n k"], Int[Tensor, " n"]], Float[Tensor, ""]]


class Params(Component):
    """A sample with probability p of its class is weighed by (1 − p)^gamma; 0 is cross-entropy."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax",)
    gamma: Annotated[float, Field(ge=0)] = 2.0


def build(params: Params, class_weights: Float[Tensor, " k"] | None) -> Loss:
    """Build the loss: the mean over the batch, in nats.

    Args:
        class_weights: have mean 1 over the training samples.
    """
    from pipeline.losses.shared.batch import weighted_mean, widened
    from pipeline.losses.shared.classes import sample_weights
    from pipeline.losses.shared.focal import focused

    def loss(logits: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> Float[Tensor, ""]:
        wide, own = widened(logits), targets[:, None]
        others = wide.scatter(1, own, float("-inf")).logsumexp(dim=1)
        losses = focused(wide.gather(1, own)[:, 0] - others, params.gamma)
        return weighted_mean(losses, sample_weights(class_weights, targets))

    return loss
