"""Prediction sets for classes: as many classes as are needed to contain the true one so often.

Split conformal prediction: a score says how badly a class fits a sample, the threshold is a
quantile of the scores of the true classes on validation, and a set holds the classes that score no
more. On samples that are exchangeable with those of validation, sets contain the true class with at
least the stated probability, whatever the model (V. Vovk et al., Algorithmic Learning in a Random
World, 2005). With a threshold for each class (Mondrian, section 4.5) they do so within each class.

MAPIE is the reference in the tests. It wraps an estimator of scikit-learn, and the packaged model
would have to carry both for the twenty lines below.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from pipeline.config.ensembling import SetMethod, Sets
from pipeline.core.component import retuple
from pipeline.core.files import read_json
from pipeline.ensembling.truth import Truth

ROUNDING = 1e-12
ABOVE_ALL = 1e9
"""A threshold above every score: too few samples to leave any class out."""


@dataclass(frozen=True)
class PredictionSets:
    """A rule that turns probabilities into sets of classes."""

    method: SetMethod
    penalty: float
    num_free: int
    allow_empty: bool
    coverage: float
    """The share of samples whose set should contain the true class."""
    thresholds: tuple[float, ...]
    """The highest score of a class in a set: one for all classes, or one for each."""

    @classmethod
    def load(cls, path: Path) -> "PredictionSets":
        return cls(**retuple(read_json(path)))

    def __call__(self, log_probs: Float[np.ndarray, "n k"]) -> Bool[np.ndarray, "n k"]:
        """Return which classes each sample's set holds; the most probable one unless empty sets are
        allowed.
        """
        inside = scores(log_probs, self.method, self.penalty, self.num_free) <= self.thresholds
        if not self.allow_empty:
            inside[np.arange(len(inside)), log_probs.argmax(axis=1)] = True
        return np.asarray(inside)


def calibrate(
    log_probs: Float[np.ndarray, "n k"],
    truth: Truth,
    settings: Sets,
    coverage: float,
) -> PredictionSets:
    """Find the thresholds.

    Where samples count differently, as `class_shares` asks for, the coverage holds in the
    population that the weights stand for, with a threshold for each class: A. Podkopaev and A.
    Ramdas, Distribution-Free Uncertainty Quantification for Classification under Label Shift, 2021.

    Args:
        log_probs: predictions of validation, each from a fit that did not see the sample.
        truth: the class of each sample; all samples of a class have the same weight.
    """
    targets, weights = truth.targets, truth.weights
    method, penalty, num_free = settings.method, settings.penalty, settings.num_free
    every = scores(log_probs, method, penalty, num_free)
    true = every[np.arange(len(targets)), targets]
    inside = targets == np.arange(every.shape[1])[:, None]
    if settings.by_class:
        thresholds = tuple(
            _quantile(true[own], np.ones(own.sum()), 1.0, coverage) for own in inside
        )
    elif truth.is_even:
        thresholds = (_quantile(true, weights, 1.0, coverage),)
    else:
        of_class = [weights[own].max(initial=0.0) for own in inside]
        thresholds = tuple(_quantile(true, weights, own, coverage) for own in of_class)
    return PredictionSets(method, penalty, num_free, settings.allow_empty, coverage, thresholds)


def scores(
    log_probs: Float[np.ndarray, "n k"], method: SetMethod, penalty: float, num_free: int
) -> Float[np.ndarray, "n k"]:
    """Return how badly each class fits each sample.

    - lac: one minus its probability, which gives the smallest sets on average (M. Sadinle et al.,
      Least Ambiguous Set-Valued Classifiers with Bounded Error Levels, 2019);
    - aps: the probability of all classes above it and half of its own, which gives larger sets to
      harder samples (Y. Romano et al., Classification with Valid and Adaptive Coverage, 2020; half
      stands for a random part, as the same image should always have the same set);
    - raps: the same, plus `penalty` for each rank below the first `num_free` (A. Angelopoulos et
      al., Uncertainty Sets for Image Classifiers Using Conformal Prediction, 2021).
    """
    probs = np.exp(log_probs)
    if method == "lac":
        return np.asarray(1 - probs)
    order = np.argsort(-probs, axis=1, kind="stable")
    ranked = np.take_along_axis(probs, order, axis=1)
    by_rank = ranked.cumsum(axis=1) - ranked / 2
    if method == "raps":
        by_rank += penalty * np.maximum(np.arange(1, probs.shape[1] + 1) - num_free, 0)
    found = np.empty_like(by_rank)
    np.put_along_axis(found, order, by_rank, axis=1)
    return found


def _quantile(
    true: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"], own: float, coverage: float
) -> float:
    """Return the score that a further sample does not exceed with probability `coverage`.

    Args:
        own: the weight of the further sample.
    """
    order = np.argsort(true, kind="stable")
    needed = (weights.sum() + own) * coverage * (1 - ROUNDING)
    rank = int(np.searchsorted(weights[order].cumsum(), needed))
    return float(true[order[rank]]) if rank < len(true) else ABOVE_ALL
