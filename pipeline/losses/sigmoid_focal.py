"""Cross-entropy of the sigmoid that weighs targets less the better they are predicted.

T.-Y. Lin et al., Focal Loss for Dense Object Detection, 2017, equation 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

    from pipeline.losses.shared.labels import Targets

    Loss = Callable[[Float[Tensor, "n k"], Targets], Float[Tensor, ""]]


class Params(Component):
    """A prediction with probability p of being right is weighed by (1 − p)^gamma."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("sigmoid",)
    gamma: Annotated[float, Field(ge=0)] = 2.0
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Weight of labels that are present; 1 − alpha of absent ones. null weighs both as 1."""


def build(params: Params, class_weights: Float[Tensor, " c"] | None) -> Loss:
    """Build the loss: the mean over the batch and its labels, in nats.

    Targets are 0 or 1; targets between them mix the two losses.

    Args:
        class_weights: weights of both classes if one logit distinguishes them, else of each label.
    """
    from pipeline.losses.shared.batch import weighted_mean, widened
    from pipeline.losses.shared.focal import focused
    from pipeline.losses.shared.labels import as_labels, label_weights

    present, absent = (1.0, 1.0) if params.alpha is None else (params.alpha, 1 - params.alpha)

    def loss(logits: Float[Tensor, "n k"], targets: Targets) -> Float[Tensor, ""]:
        wide = widened(logits)
        labels = as_labels(targets, wide)
        losses = present * labels * focused(wide, params.gamma)
        losses = losses + absent * (1 - labels) * focused(-wide, params.gamma)
        return weighted_mean(losses, label_weights(class_weights, labels))

    return loss
