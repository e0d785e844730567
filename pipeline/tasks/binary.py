"""One of two classes for each image, told apart by one logit: that of the second class."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.component import Component
from pipeline.errors import UserError
from pipeline.tasks.multiclass import scores

__all__ = ["Params", "num_outputs", "predictions", "scores"]


class Params(Component):
    """No settings."""

    KIND: ClassVar[str] = "classes"
    ACTIVATION: ClassVar[str] = "sigmoid"
    MONITOR: ClassVar[str] = "log_loss"


def num_outputs(num_classes: int) -> int:
    """One.

    Raises:
        UserError: there are not two classes.
    """
    if num_classes != 2:
        raise UserError(
            f"task.name: got binary, and the data has {num_classes} classes; allowed 2; "
            "write multiclass"
        )
    return 1


def predictions(logits: Float[np.ndarray, "*m n 1"]) -> Float[np.ndarray, "*m n 2"]:
    """Log-probabilities of both classes, in float64: all that follows is as in multiclass."""
    logit = np.asarray(logits, np.float64)
    log_p: np.ndarray = -np.logaddexp(0, np.concatenate([logit, -logit], axis=-1))
    return log_p
