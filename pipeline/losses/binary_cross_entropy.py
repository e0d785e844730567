"""Cross-entropy of the sigmoid of every logit: one logit for two classes, k for k labels."""

from collections.abc import Callable
from typing import Annotated, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipeline.core.component import Component
from pipeline.losses.shared.batch import weighted_mean, widened
from pipeline.losses.shared.labels import Targets, as_labels, label_weights


class Params(Component):
    """`label_smoothing` moves each target by half of it towards the opposite value."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("sigmoid",)
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


Loss = Callable[[Float[Tensor, "n k"], Targets], Float[Tensor, ""]]


def build(params: Params, class_weights: Float[Tensor, " c"] | None) -> Loss:
    """Build the loss: the mean over the batch and its labels, in nats.

    Args:
        class_weights: weights of both classes if one logit distinguishes them, else of each label,
            whether it is present or not.
    """

    def loss(logits: Float[Tensor, "n k"], targets: Targets) -> Float[Tensor, ""]:
        wide = widened(logits)
        labels = as_labels(targets, wide)
        smooth = labels * (1 - params.label_smoothing) + params.label_smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(wide, smooth, reduction="none")
        return weighted_mean(losses, label_weights(class_weights, labels))

    return loss
