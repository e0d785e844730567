"""Cross-entropy of the softmax that counts samples less the better they are told.

T.-Y. Lin et al., Focal Loss for Dense Object Detection, 2017, equation 4. Their α of a class
is its class weight.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipeline.component import Component
from pipeline.losses._batch import weighted_mean, widened
from pipeline.losses.cross_entropy import sample_weights


class Params(Component):
    """A sample with probability p of its class counts as (1 − p)^gamma; 0 is cross-entropy."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax",)
    gamma: Annotated[float, Field(ge=0)] = 2.0


Loss = Callable[[Float[Tensor, "n k"], Int[Tensor, " n"]], Float[Tensor, ""]]


def build(params: Params, class_weights: Float[Tensor, " k"] | None) -> Loss:
    """Mean over the batch, in nats.

    Args:
        class_weights: of mean 1 over the training samples.
    """

    def loss(logits: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> Float[Tensor, ""]:
        wide, own = widened(logits), targets[:, None]
        others = wide.scatter(1, own, float("-inf")).logsumexp(dim=1)
        losses = focused(wide.gather(1, own)[:, 0] - others, params.gamma)
        return weighted_mean(losses, sample_weights(class_weights, targets))

    return loss


def focused(lead: Float[Tensor, "*n"], gamma: float) -> Float[Tensor, "*n"]:
    """(1 − p)^gamma · −log p, where `lead` is log p − log(1 − p).

    From the lead alone both logarithms are exact: nothing overflows, and no gradient is infinite
    where p is 1 and gamma below 1.
    """
    log_other = functional.logsigmoid(-lead)
    return (gamma * log_other).exp() * -functional.logsigmoid(lead)
