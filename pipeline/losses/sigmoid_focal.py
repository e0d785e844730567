"""Cross-entropy of the sigmoid that counts answers less the better they are told.

T.-Y. Lin et al., Focal Loss for Dense Object Detection, 2017, equation 5.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from pipeline.component import Component
from pipeline.losses._batch import weighted_mean, widened
from pipeline.losses._labels import Targets, as_labels, label_weights
from pipeline.losses.focal import focused


class Params(Component):
    """An answer with probability p of being right counts as (1 − p)^gamma."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("sigmoid",)
    gamma: Annotated[float, Field(ge=0)] = 2.0
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Weight of what is there; 1 − alpha of what is not. null weighs both as 1."""


Loss = Callable[[Float[Tensor, "n k"], Targets], Float[Tensor, ""]]


def build(params: Params, class_weights: Float[Tensor, " c"] | None) -> Loss:
    """Mean over the batch and its labels, in nats. Targets are 0 or 1; between them, the mix.

    Args:
        class_weights: of both classes where one logit tells them apart, else of each label.
    """
    present, absent = (1.0, 1.0) if params.alpha is None else (params.alpha, 1 - params.alpha)

    def loss(logits: Float[Tensor, "n k"], targets: Targets) -> Float[Tensor, ""]:
        wide = widened(logits)
        labels = as_labels(targets, wide)
        losses = present * labels * focused(wide, params.gamma)
        losses = losses + absent * (1 - labels) * focused(-wide, params.gamma)
        return weighted_mean(losses, label_weights(class_weights, labels))

    return loss
