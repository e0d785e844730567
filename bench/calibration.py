"""Calibrators on simulated problems: does the chosen one help on test, and what can it cost?

    OMP_NUM_THREADS=1 python -m bench.calibration [PROBLEMS]        (default: 1000)

A classifier of known probabilities is made over- or underconfident. The calibrator is fitted and
chosen on validation as in the pipeline, and measured by the log-loss that the known probabilities
give it on other samples: against the best of the calibrators, and against no calibration.
"""

import sys
from collections.abc import Iterator
from itertools import islice, product
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from pipeline.core.component import load, make, names
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.folds import folds
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth

ACCURACIES, SIZES = (0.9, 0.97, 0.99, 0.998), (100, 360, 1000, 5000)
FACTORS = (0.5, 1.0, 1.5, 2.5)  # of the logits: below 1 underconfident, above overconfident
NUM_CLASSES, NUM_TEST = 3, 1000
TYPE = PredictionType("classes")


class Problem(NamedTuple):
    """One simulated validation set, and test samples whose probabilities are known."""

    val: np.ndarray
    targets: np.ndarray
    test: np.ndarray
    probs: np.ndarray


def problem(accuracy: float, size: int, factor: float, seed: int) -> Problem:
    """Draw targets from probabilities, and multiply the logits of these by `factor`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(size + NUM_TEST, NUM_CLASSES))
    log_probs = log_softmax(logits * _sharpness(logits, accuracy), axis=1)
    probs = np.exp(log_probs)
    targets = (rng.random((size, 1)) > probs[:size].cumsum(axis=1)).sum(axis=1)
    given = log_softmax(log_probs * factor, axis=1)
    return Problem(given[:size], targets.clip(max=NUM_CLASSES - 1), given[size:], probs[size:])


def ratios(one: Problem) -> tuple[float, float]:
    """Return the chosen calibrator's loss over that of the best, and over that of none."""
    calibrators = [make("calibrator", name) for name in names("calibrator")]
    place = folds(np.arange(len(one.targets)), 5, 0)
    decision = Decision("most_probable")
    val = Validation(TYPE, Truth.plain(one.targets), place, calibrators, lambda _: decision)
    found = fit(make("method", "best"), "a", one.val[None], val).combiner
    losses = {
        name: _loss(TYPE.apply(load("calibrator", make("calibrator", name)), states, one.test), one)
        for name, states in found.calibrations.items()
    }
    chosen = losses[found.calibrator]
    return chosen / min(losses.values()), chosen / losses["none"]


def problems(accuracies=ACCURACIES, sizes=SIZES, factors=FACTORS) -> Iterator[Problem]:
    """Yield problems without end, of every kind in turn."""
    kinds = list(product(accuracies, sizes, factors))
    seed = 0
    while True:
        for accuracy, size, factor in kinds:
            yield problem(accuracy, size, factor, seed)
            seed += 1


def _sharpness(logits: np.ndarray, accuracy: float) -> float:
    """Return the factor with which the most probable class is right as often as wanted."""
    low, high = 0.1, 1e4
    for _ in range(25):
        middle = (low * high) ** 0.5
        reached = np.exp(log_softmax(logits[:1000] * middle, axis=1)).max(axis=1).mean()
        low, high = (middle, high) if reached < accuracy else (low, middle)
    return middle


def _loss(log_probs: np.ndarray, one: Problem) -> float:
    return float(-(one.probs * log_probs).sum(axis=1).mean())


def main(num_problems: int) -> None:
    print("| accuracy | validation | logits × | to the best: mean (largest) | to none: largest |")
    print("|---|---|---|---|---|")
    kinds = list(product(ACCURACIES, SIZES, FACTORS))
    found = np.array([ratios(one) for one in islice(problems(), num_problems)])
    for place, (accuracy, size, factor) in enumerate(kinds):
        own = found[place :: len(kinds)]
        to_best, to_none = own.T
        print(
            f"| {accuracy} | {size:,} | {factor} | {to_best.mean():.3f} ({to_best.max():.2f}) "
            f"| {to_none.max():.2f} |"
        )
    to_best, to_none = found.T
    print(f"\nmean to the best {to_best.mean():.3f}; largest to none {to_none.max():.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
