"""Multilabel classification: any number of k labels per image, including none."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.core.component import Component

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool, Float


class Params(Component):
    """No settings."""

    KIND: ClassVar[str] = "labels"
    ACTIVATION: ClassVar[str] = "sigmoid"
    MONITOR: ClassVar[str] = "log_loss"
    SCORES: ClassVar[dict[str, str]] = {
        "log_loss": "minimize",
        "hamming_loss": "minimize",
        "subset_accuracy": "maximize",
    }


def num_outputs(num_classes: int) -> int:
    """Return one logit per label."""
    return num_classes


def predictions(logits: Float[np.ndarray, "*m n k"]) -> Float[np.ndarray, "*m n k 2"]:
    """Return the log-probabilities that each label is absent and present, in float64.

    Both are kept: from the log of a probability near 1, that of the other would be lost in
    rounding.
    """
    import numpy as np

    logits = np.asarray(logits, np.float64)
    log_p: np.ndarray = -np.logaddexp(0, np.stack([logits, -logits], axis=-1))
    return log_p


def scores(
    log_p: Float[np.ndarray, "n k 2"], targets: Bool[np.ndarray, "n k"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """Return per-sample metrics, whose mean training watches.

    Log-loss is the mean over the labels, in nats; Hamming loss is the share of wrong labels; subset
    accuracy is 1 if no label is wrong.
    """
    import numpy as np

    true = np.take_along_axis(log_p, targets[..., None].astype(np.intp), axis=-1)[..., 0]
    wrong = (log_p[..., 1] > log_p[..., 0]) != targets
    return {
        "log_loss": -true.mean(axis=-1),
        "hamming_loss": wrong.mean(axis=-1),
        "subset_accuracy": (~wrong.any(axis=-1)).astype(np.float64),
    }
