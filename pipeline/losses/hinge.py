"""Multiclass hinge loss: the logit of the true class must lead by a margin.

K. Crammer, Y. Singer, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines,
2001: only the strongest other class counts. J. Weston, C. Watkins, Support Vector Machines for
Multi-Class Pattern Recognition, 1999: all other classes count, and are summed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int
    from torch import Tensor

    Loss = Callable[[Float[Tensor, "n k"], Int[Tensor, " n"]], Float[Tensor, ""]]


class Params(Component):
    """The shortfall from `margin` is raised to `power`."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax",)
    form: Literal["crammer_singer", "weston_watkins"] = "crammer_singer"
    margin: Annotated[float, Field(gt=0)] = 1.0
    power: Literal[1, 2] = 1


def build(params: Params, class_weights: Float[Tensor, " k"] | None) -> Loss:
    """Build the loss: the mean over the batch.

    Args:
        class_weights: have mean 1 over the training samples.
    """
    from torch.nn import functional

    from pipeline.losses.shared.batch import weighted_mean, widened
    from pipeline.losses.shared.classes import sample_weights

    def loss(logits: Float[Tensor, "n k"], targets: Int[Tensor, " n"]) -> Float[Tensor, ""]:
        wide = widened(logits)
        is_own = functional.one_hot(targets, wide.shape[1]).bool()
        short = params.margin + wide - wide.gather(1, targets[:, None])
        short = short.masked_fill(is_own, 0).clamp_min(0)
        if params.form == "crammer_singer":
            losses = short.amax(dim=1) ** params.power
        else:
            losses = (short**params.power).sum(dim=1)
        return weighted_mean(losses, sample_weights(class_weights, targets))

    return loss
