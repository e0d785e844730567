"""Class imbalance: class weights for the loss, and resampling of the classes in an epoch."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from pipeline.core.artifacts import Targets

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
    """Return a weight for each class, with mean 1 over the samples, or for each label.

    Every label applies to every sample, so the mean over the labels is 1. A label that few images
    have then counts as much as any other, both where it is present and where it is absent.
    """
    if targets.ndim == 1:
        return class_weights(np.bincount(targets, minlength=num_classes), rule)
    weights = class_weights(targets.sum(axis=0), rule)
    shared: np.ndarray = weights / weights.mean()
    return shared


def class_weights(counts: Int[np.ndarray, " k"], rule: Weighting) -> Float[np.ndarray, " k"]:
    """Return a weight for each class; over all samples the weights have mean 1."""
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
    """Return how many images of each class an epoch contains; no class may be empty.

    Proportions are n^1, n^½ or n^0. `over` keeps the largest class and repeats the others; `under`
    keeps the smallest and takes a part of the others, a different one in each epoch.
    """
    shares = counts ** EXPONENT[sampling]
    ratio = counts / shares
    scale = ratio.max() if resampling == "over" else ratio.min()
    sizes: np.ndarray = np.round(shares * scale).astype(np.int64)
    return sizes


def drawn(
    num: int, wanted: int, generator: np.random.Generator
) -> tuple[Int[np.ndarray, " w"], Int[np.ndarray, " w"]]:
    """Draw `wanted` of `num` samples, each equally often or once more; return rows and copies."""
    rounds = -(-wanted // num)
    rows = np.concatenate([generator.permutation(num) for _ in range(rounds)])[:wanted]
    copies = np.repeat(np.arange(rounds), num)[:wanted]
    return rows, copies
