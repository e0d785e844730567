"""Binary classification: one of two classes per image, from the logit of the second class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.core.component import Component
from pipeline.core.errors import UserError
from pipeline.tasks.shared.classes import scores

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

__all__ = ["Params", "num_outputs", "predictions", "scores"]


class Params(Component):
    """No settings."""

    KIND: ClassVar[str] = "classes"
    ACTIVATION: ClassVar[str] = "sigmoid"
    MONITOR: ClassVar[str] = "log_loss"
    SCORES: ClassVar[dict[str, str]] = {"log_loss": "minimize", "accuracy": "maximize"}


def num_outputs(num_classes: int) -> int:
    """Return 1, the number of logits.

    Raises:
        UserError: the number of classes is not two.
    """
    if num_classes != 2:
        raise UserError(
            f"task.name: got binary, but the data has {num_classes} classes; allowed 2; use "
            "multiclass"
        )
    return 1


def predictions(logits: Float[np.ndarray, "*m n 1"]) -> Float[np.ndarray, "*m n 2"]:
    """Return log-probabilities of both classes, in float64, in the form of a multiclass task."""
    import numpy as np

    logit = np.asarray(logits, np.float64)
    log_p: np.ndarray = -np.logaddexp(0, np.concatenate([logit, -logit], axis=-1))
    return log_p
