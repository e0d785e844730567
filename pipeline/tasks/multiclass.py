"""One class for each image, out of k ≥ 2."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from pipeline.component import Component


class Params(Component):
    """No settings."""

    KIND: ClassVar[str] = "classes"
    ACTIVATION: ClassVar[str] = "softmax"
    MONITOR: ClassVar[str] = "log_loss"


def num_outputs(num_classes: int) -> int:
    """One logit a class."""
    return num_classes


def predictions(logits: Float[np.ndarray, "*m n k"]) -> Float[np.ndarray, "*m n k"]:
    """Log of the softmax, in float64 so that a confident wrong answer stays finite."""
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_p


def scores(
    log_p: Float[np.ndarray, "n k"], targets: Int[np.ndarray, " n"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """Per-sample figures whose mean training watches: log-loss (nats) and accuracy (0 or 1)."""
    return {
        "log_loss": -log_p[np.arange(len(targets)), targets],
        "accuracy": (log_p.argmax(axis=-1) == targets).astype(np.float64),
    }
