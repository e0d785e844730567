"""Multiclass classification: one of k ≥ 2 classes per image."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.core.component import Component
from pipeline.tasks.shared.classes import scores

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

__all__ = ["Params", "num_outputs", "predictions", "scores"]


class Params(Component):
    """No settings."""

    KIND: ClassVar[str] = "classes"
    ACTIVATION: ClassVar[str] = "softmax"
    MONITOR: ClassVar[str] = "log_loss"
    SCORES: ClassVar[dict[str, str]] = {"log_loss": "minimize", "accuracy": "maximize"}


def num_outputs(num_classes: int) -> int:
    """Return one logit per class."""
    return num_classes


def predictions(logits: Float[np.ndarray, "*m n k"]) -> Float[np.ndarray, "*m n k"]:
    """Return the log-softmax, in float64 so that a confident wrong prediction stays finite."""
    import numpy as np

    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_p
