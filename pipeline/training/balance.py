"""Class imbalance: weights and adjusted logits for the loss, and resampling of the classes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from pipeline.config.training import Training
from pipeline.core.artifacts import Targets
from pipeline.core.kind import Kind

Weighting = Literal["inverse", "inverse_sqrt", "effective"]
Sampling = Literal["natural", "square_root", "balanced"]
Resampling = Literal["over", "under"]

# A class of n images counts as (1 − β^n) / (1 − β): Y. Cui et al., Class-Balanced Loss Based on
# Effective Number of Samples, 2019, equation 2, with the β of their tables 2 and 3.
BETA = 0.999
EXPONENT = {"natural": 1.0, "square_root": 0.5, "balanced": 0.0}


def counts(targets: Targets, num_classes: int) -> list[int]:
    """Count the images of each class, or with each label; return nothing for values."""
    if targets.dtype.kind == "f":
        return []
    found = (
        targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=num_classes)
    )
    return [int(count) for count in found]


@dataclass(frozen=True)
class Balance:
    """How the loss treats each class in each epoch, and what validation has to make of it.

    Trained on classes of shares π with weights w, a network predicts for classes of shares π · w,
    which are called its prior here.
    """

    settings: Training
    kind: Kind
    train: list[int]
    """Images of each class, or with each label; empty for values."""
    val: list[int]
    num_outputs: int

    @property
    def first_epoch(self) -> int:
        """The first epoch whose loss has the class weights."""
        return int(self.settings.class_weights_start * self.settings.epochs)

    def weights(self, epoch: int) -> list[float] | None:
        """Return a weight for each class, with mean 1 over the samples, or for each label.

        Every label applies to every sample, so the mean over the labels is 1. A label that few
        images have then counts as much as any other, both where it is present and where it is
        absent.
        """
        rule = self.settings.class_weights
        if rule is None or epoch < self.first_epoch:
            return None
        found = class_weights(np.array(self.train), rule)
        shared: list[float] = (found / found.mean() if self.kind == "labels" else found).tolist()
        return shared

    def loss_offset(self, epoch: int) -> list[float] | None:
        """Return what the loss adds to each logit."""
        tau = self.settings.logit_adjustment
        return self._of_logits(tau * self._log_prior(epoch)).tolist() if tau else None

    def val_offset(self, epoch: int) -> Float[np.ndarray, " {self.num_outputs}"]:
        """Return what to add to each logit to predict for the classes' shares in val.

        Otherwise early stopping and the choice of the best epoch would prefer networks that have
        not yet learned the prior that the recipe asks for. M. Saerens, P. Latinne and C.
        Decaestecker, Adjusting the Outputs of a Classifier to New a Priori Probabilities, 2002,
        equation 4.
        """
        if self.kind != "classes" or not self._is_shifted:
            return np.zeros(self.num_outputs)
        tau, val = self.settings.logit_adjustment, np.array(self.val) + 0.5  # no share is 0
        return self._of_logits((tau - 1) * self._log_prior(epoch) + np.log(val / val.sum()))

    @property
    def _is_shifted(self) -> bool:
        chosen = self.settings
        is_weighted = chosen.class_weights is not None
        return is_weighted or chosen.sampling != "natural" or chosen.logit_adjustment > 0

    def _log_prior(self, epoch: int) -> Float[np.ndarray, " k"]:
        chosen, weights = self.settings, self.weights(epoch)
        shown = resampled(np.array(self.train), chosen.sampling, chosen.resampling)
        counted = shown * (1.0 if weights is None else np.array(weights))
        log_prior: np.ndarray = np.log(counted / counted.sum())
        return log_prior

    def _of_logits(self, offset: Float[np.ndarray, " k"]) -> Float[np.ndarray, " o"]:
        """Return the offsets of the logits: of two classes, a single logit is the difference."""
        return np.diff(offset) if self.num_outputs == 1 else offset


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
