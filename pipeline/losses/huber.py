"""Huber loss: squared error up to `delta`, absolute error beyond.

P. J. Huber, Robust Estimation of a Location Parameter, 1964.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pipeline.losses.shared.standardised import Loss


class Params(Component):
    """`delta` is in standard deviations of the target over train."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("identity",)
    SOFT_TARGETS: ClassVar[bool] = True
    delta: Annotated[float, Field(gt=0)] = 1.0


def build(params: Params, class_weights: Float[Tensor, " k"] | None) -> Loss:
    """Build the loss: the mean over the batch and its values.

    With error e it is e² / 2 up to delta, and delta · (|e| − delta / 2) beyond.

    Raises:
        UserError: class weights are given.
    """
    from torch.nn import functional

    from pipeline.losses.shared.batch import refuse_weights, widened

    refuse_weights(params.name, class_weights)

    def loss(logits: Float[Tensor, "n t"], targets: Float[Tensor, "n t"]) -> Float[Tensor, ""]:
        return functional.huber_loss(widened(logits), targets, delta=params.delta)

    return loss
