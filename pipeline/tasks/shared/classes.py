"""Metrics to watch when predicting one class per image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, Int


def scores(
    log_p: Float[np.ndarray, "n k"], targets: Int[np.ndarray, " n"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """Return per-sample metrics, whose mean training watches: log-loss (nats) and accuracy."""
    import numpy as np

    return {
        "log_loss": -log_p[np.arange(len(targets)), targets],
        "accuracy": (log_p.argmax(axis=-1) == targets).astype(np.float64),
    }
