"""Classes of unequal size: weights for the loss, and how often a sample stands in an epoch."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from pipeline.artifacts import Targets

Weighting = Literal["inverse", "inverse_sqrt", "effective"]
Sampling = Literal["natural", "square_root", "balanced"]
Resampling = Literal["over", "under"]

# A class of n images counts as (1 − β^n) / (1 − β): Y. Cui et al., Class-Balanced Loss Based on
# Effective Number of Samples, 2019, equation 2, with the β of their tables 2 and 3.
BETA = 0.999
EXPONENT = {"natural": 1.0, "square_root": 0.5, "balanced": 0.0}


def loss_weights(
    targets: Targets, num_classes: int, rule: Weighting
) -> Float[np.ndarray, " {num_classes}"]:
    """A weight for each class, whose mean over the samples is 1, or for each label.

    Every label is asked of every sample, so their mean over the labels is 1. A label that few
    images have then counts as much as others, where it is there and where it is not.
    """
    if targets.ndim == 1:
        return class_weights(np.bincount(targets, minlength=num_classes), rule)
    weights = class_weights(targets.sum(axis=0), rule)
    shared: np.ndarray = weights / weights.mean()
    return shared


def class_weights(counts: Int[np.ndarray, " k"], rule: Weighting) -> Float[np.ndarray, " k"]:
    """A weight for each class; over all samples the weights have mean 1."""
    if counts.min() == 0:
        raise ValueError(f"a class without images has no weight: {counts.tolist()}")
    rules = {
        "inverse": 1 / counts,
        "inverse_sqrt": 1 / np.sqrt(counts),
        "effective": (1 - BETA) / (1 - BETA**counts),
    }
    weights = rules[rule]
    normalised: np.ndarray = weights * counts.sum() / (weights * counts).sum()
    return normalised


def resampled(
    counts: Int[np.ndarray, " k"], sampling: Sampling, resampling: Resampling
) -> Int[np.ndarray, " k"]:
    """How many images of each class stand in one epoch; no class is empty.

    Shares are as n^1, n^½ or n^0. `over` leaves the largest class as it is and repeats the others;
    `under` leaves the smallest as it is and takes a part of the others, another in each epoch.
    """
    shares = counts ** EXPONENT[sampling]
    ratio = counts / shares
    scale = ratio.max() if resampling == "over" else ratio.min()
    sizes: np.ndarray = np.round(shares * scale).astype(np.int64)
    return sizes


def drawn(
    num: int, wanted: int, generator: np.random.Generator
) -> tuple[Int[np.ndarray, " w"], Int[np.ndarray, " w"]]:
    """`wanted` of `num` samples, each as often as any other or once more; which, and its copy."""
    rounds = -(-wanted // num)
    rows = np.concatenate([generator.permutation(num) for _ in range(rounds)])[:wanted]
    copies = np.repeat(np.arange(rounds), num)[:wanted]
    return rows, copies
