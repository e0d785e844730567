"""Mean squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.core.component import Component

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pipeline.losses.shared.standardised import Loss


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("identity",)
    SOFT_TARGETS: ClassVar[bool] = True


def build(params: Params, class_weights: Float[Tensor, " k"] | None) -> Loss:
    """Build the loss: the mean over the batch and its values, which are standardised.

    Raises:
        UserError: class weights are given.
    """
    from torch.nn import functional

    from pipeline.losses.shared.batch import refuse_weights, widened

    refuse_weights(params.name, class_weights)

    def loss(logits: Float[Tensor, "n t"], targets: Float[Tensor, "n t"]) -> Float[Tensor, ""]:
        return functional.mse_loss(widened(logits), targets)

    return loss
