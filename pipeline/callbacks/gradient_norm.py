"""Log the length of the gradient: a growing norm is a sign of too high a learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:
    from pytorch_lightning import Callback


class Params(Component):
    """Log the Euclidean norm of the whole gradient before clipping, as `train/gradient_norm`."""

    every_n_steps: Annotated[int, Field(gt=0)] = 50
    """Optimiser steps whose mean is logged at once; also how rarely the host waits for it."""


def build(params: Params) -> Callback:
    """Build the callback."""
    from pipeline.callbacks.shared.gradient_norm import GradientNorm

    return GradientNorm(params.every_n_steps)
