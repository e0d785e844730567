"""From points that members gave to outcomes, to a distribution."""

import numpy as np
from jaxtyping import Float

from pipeline.ensembling._weights import apply, equal


def shares(
    points: Float[np.ndarray, "n k"], log_probs: Float[np.ndarray, "m n k"]
) -> Float[np.ndarray, "n k"]:
    """Log of each outcome's share of all points.

    One point more is shared out by the members' mean probability. So an outcome without points
    keeps a chance and the log-loss stays finite; and outcomes with equal points are told apart by
    their mean probability, while none is overtaken that has a point more.
    """
    with np.errstate(divide="ignore"):
        shared = np.logaddexp(np.log(points), apply(equal(len(log_probs)), log_probs))
    logs: np.ndarray = shared - np.log(points.sum(axis=1, keepdims=True) + 1)
    return logs
