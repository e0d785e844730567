"""Cross-entropy of the sigmoid of every logit: one logit for two classes, k for k labels."""

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
    """`label_smoothing` moves each target by half of it towards the opposite value."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("sigmoid",)
    SOFT_TARGETS: ClassVar[bool] = True
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


def build(params: Params, class_weights: Float[Tensor, " c"] | None) -> Loss:
    """Build the loss: the mean over the batch and its labels, in nats.

    Args:
        class_weights: weights of both classes if one logit distinguishes them, else of each label,
            whether it is present or not.
    """
    from torch.nn import functional

    from pipeline.losses.shared.batch import weighted_mean, widened
    from pipeline.losses.shared.labels import as_labels, label_weights

    def loss(logits: Float[Tensor, "n k"], targets: Targets) -> Float[Tensor, ""]:
        wide = widened(logits)
        labels = as_labels(targets, wide)
        smooth = labels * (1 - params.label_smoothing) + params.label_smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(wide, smooth, reduction="none")
        return weighted_mean(losses, label_weights(class_weights, labels))

    return loss
