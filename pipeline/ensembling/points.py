"""Turn the points that members give to outcomes into a distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pipeline.ensembling.weights import apply, equal

if TYPE_CHECKING:
    from torch import Tensor


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


def forward(
    points: Float[Tensor, "n k"], log_probs: Float[Tensor, "m n k"]
) -> Float[Tensor, "n k"]:
    """Do what `shares` does."""
    mean = log_probs.logsumexp(dim=0) - math.log(len(log_probs))
    shared = (points + mean.exp()).log().where(points > 0, mean)  # the log of a mean near 0 stays
    return shared - (points.sum(dim=1, keepdim=True) + 1).log()
