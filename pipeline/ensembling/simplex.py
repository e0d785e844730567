"""Least squares under weights ≥ 0 that sum to 1."""

import numpy as np
import scipy
from jaxtyping import Float


def nearest_to_zero(vectors: Float[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
    """Return the weights of the weighted mean of `vectors` that is nearest to zero.

    P. Wolfe, Finding the Nearest Point in a Polytope, 1976. For weights w that sum to 1 and
    x = sw, `|x @ vectors|² + (1 - sum(x))²` is lowest at s = 1 / (1 + |w @ vectors|²), where it
    rises with |w @ vectors|: so the non-negative x of its least squares is a multiple of w.
    """
    # Few rows, whose weighted means have the same lengths.
    root = np.asarray(np.linalg.qr(vectors.T, mode="r"))
    size = max(np.sqrt((root**2).sum() / len(vectors)), np.finfo(float).tiny)
    system = np.vstack([root / size, np.ones(len(vectors))])
    found, _ = scipy.optimize.nnls(system, np.eye(len(system))[-1])
    weights: np.ndarray = found / found.sum()
    return weights
