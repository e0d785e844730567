"""Calibration errors beside those of perfect calibration: level, power, and bias, by simulation."""

import numpy as np
import pytest
from scipy.special import log_softmax

from pipeline.evaluation.consistency import Consistency, consistency
from pipeline.evaluation.metrics.calibration import bins

NUM_BINS, NUM_SETS = 15, 100


def simulated(num: int, factor: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the top probability, made too sure by `factor`, and whether it is right."""
    rng = np.random.default_rng(seed)
    log_probs = log_softmax(2 * rng.normal(size=(num, 4)), axis=1)
    targets = (rng.random((num, 1)) > np.exp(log_probs).cumsum(axis=1)).sum(axis=1).clip(max=3)
    shares = np.exp(log_softmax(factor * log_probs, axis=1))
    return shares.max(axis=1)[:, None], (shares.argmax(axis=1) == targets)[:, None]


def results(num: int, factor: float) -> tuple[list[Consistency], float]:
    """Return the tests of many simulated test sets, and the mean of their plug-in errors."""
    found, plug_in = [], []
    for seed in range(NUM_SETS):
        probs, is_so = simulated(num, factor, seed)
        found.append(consistency(probs, is_so, np.arange(num), NUM_BINS))
        gaps = np.bincount(bins(NUM_BINS, probs).ravel(), (probs - is_so).ravel())
        plug_in.append(np.abs(gaps).sum() / num)
    return found, float(np.mean(plug_in))


@pytest.mark.parametrize("num", [100, 360])
def test_perfect_calibration_is_rarely_refused_though_its_error_is_above_0(num: int) -> None:
    found, plug_in = results(num, 1.0)
    assert np.mean([one.p < 0.05 for one in found]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / NUM_SETS)
    assert plug_in > 0.05
    assert np.mean([one.expected for one in found]) == pytest.approx(plug_in, rel=0.05)
    assert np.mean([one.debiased for one in found]) < 0.35 * plug_in


def test_overconfidence_is_found_and_its_error_is_not_overstated() -> None:
    found, plug_in = results(360, 1.3)
    assert np.mean([one.p < 0.05 for one in found]) > 0.5
    true = 0.0596  # of 400,000 samples
    assert abs(np.mean([one.debiased for one in found]) - true) < 0.5 * (plug_in - true)


def test_copies_of_a_sample_are_drawn_alike() -> None:
    """Otherwise an error that copies repeat would seem impossible by chance."""
    refused, left = 0, []
    for seed in range(NUM_SETS):
        probs, is_so = simulated(60, 1.0, seed)
        rows = np.repeat(np.arange(60), 10)
        found = consistency(probs[rows], is_so[rows], rows, NUM_BINS)
        refused += found.p < 0.05
        left.append(found.debiased / found.expected)
    assert refused / NUM_SETS < 0.1
    assert np.mean(left) < 0.4
