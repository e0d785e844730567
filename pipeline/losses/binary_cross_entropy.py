"""Cross-entropy of the sigmoid of every logit: one tells two classes apart, k tell k labels."""

from collections.abc import Callable
from typing import Annotated, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipeline.component import Component
from pipeline.losses._batch import weighted_mean, widened
from pipeline.losses._labels import Targets, as_labels, label_weights


class Params(Component):
    """`label_smoothing` moves each target by half of it towards the other answer."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("sigmoid",)
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


Loss = Callable[[Float[Tensor, "n k"], Targets], Float[Tensor, ""]]


def build(params: Params, class_weights: Float[Tensor, " c"] | None) -> Loss:
    """Mean over the batch and its labels, in nats.

    Args:
        class_weights: of both classes where one logit tells them apart, else of each label,
            whether it is there or not.
    """

    def loss(logits: Float[Tensor, "n k"], targets: Targets) -> Float[Tensor, ""]:
        wide = widened(logits)
        labels = as_labels(targets, wide)
        smooth = labels * (1 - params.label_smoothing) + params.label_smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(wide, smooth, reduction="none")
        return weighted_mean(losses, label_weights(class_weights, labels))

    return loss
