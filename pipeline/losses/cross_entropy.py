"""Cross-entropy of the softmax, with label smoothing.

Smoothing: C. Szegedy et al., Rethinking the Inception Architecture, 2016, section 7.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

    from pipeline.losses.shared.classes import Targets

    Loss = Callable[[Float[Tensor, "n k"], Targets], Float[Tensor, ""]]


class Params(Component):
    """`label_smoothing` is the share of each target spread evenly over all classes."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax",)
    SOFT_TARGETS: ClassVar[bool] = True
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


def build(params: Params, class_weights: Float[Tensor, " k"] | None) -> Loss:
    """Build the loss: the mean over the batch, in nats.

    Targets are class indices, or soft: a share of each class.

    Args:
        class_weights: have mean 1 over the training samples; a sample with a soft target gets the
            mean of the weights by its shares.
    """
    from torch.nn import functional

    from pipeline.losses.shared.batch import weighted_mean, widened
    from pipeline.losses.shared.classes import sample_weights

    by_rule = partial(functional.cross_entropy, label_smoothing=params.label_smoothing)

    def loss(logits: Float[Tensor, "n k"], targets: Targets) -> Float[Tensor, ""]:
        wide = widened(logits)
        if class_weights is None:
            return by_rule(wide, targets)  # one kernel instead of two
        losses = by_rule(wide, targets, reduction="none")
        return weighted_mean(losses, sample_weights(class_weights, targets))

    return loss
