"""Turn the points that members give to outcomes into a distribution."""

import numpy as np
from jaxtyping import Float

from pipeline.ensembling.weights import apply, equal


def shares(
    points: Float[np.ndarray, "n k"], log_probs: Float[np.ndarray, "m n k"]
) -> Float[np.ndarray, "n k"]:
    """Return the log of each outcome's share of all points.

    One extra point is shared out by the members' mean probability. An outcome without points thus
    keeps a chance and the log-loss stays finite; and the mean probability separates outcomes with
    equal points, but cannot overtake one that has a point more.
    """
    with np.errstate(divide="ignore"):
        shared = np.logaddexp(np.log(points), apply(equal(len(log_probs)), log_probs))
    logs: np.ndarray = shared - np.log(points.sum(axis=1, keepdims=True) + 1)
    return logs
