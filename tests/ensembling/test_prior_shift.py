"""Predictions of a long tail, shifted to the population that figures are meant for."""

import numpy as np
import pytest
from scipy.special import log_softmax

from pipeline.core.component import load, make
from pipeline.ensembling.class_shares import weights
from pipeline.ensembling.truth import Truth

CLASSES = ("ant", "bee", "cat", "dog")
COMMON = np.array([0.7, 0.2, 0.08, 0.02])


def long_tail(size: int, seed: int = 0) -> tuple[np.ndarray, Truth]:
    """Return the exact posterior of samples whose classes have the shares of COMMON."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(4, size, p=COMMON)
    seen = 1.5 * np.eye(4)[targets] + rng.normal(size=(size, 4))
    exact = log_softmax(1.5 * seen + np.log(COMMON), axis=1)
    own = weights("uniform", CLASSES, targets, "validation")
    return exact, Truth(targets, np.arange(size), own)


def shifted(log_probs: np.ndarray, truth: Truth, **settings: object) -> np.ndarray:
    own = make("calibrator", "prior_shift", **settings)
    module = load("calibrator", own)
    return module.apply(module.fit(own, log_probs, truth), log_probs)


def ideal(exact: np.ndarray, truth: Truth) -> np.ndarray:
    """Return the posterior among equally common classes: Saerens et al., equation 4."""
    found = np.bincount(truth.targets) / len(exact)
    return log_softmax(exact - np.log(found), axis=1)


def test_the_fit_finds_the_posterior_of_the_other_population() -> None:
    exact, truth = long_tail(40_000)
    made = shifted(exact, truth)
    assert np.abs(np.exp(made) - np.exp(ideal(exact, truth))).max() < 0.03


def test_members_trained_for_these_shares_are_not_corrected_twice() -> None:
    exact, truth = long_tail(40_000)
    adjusted = ideal(exact, truth)
    assert np.abs(np.exp(shifted(adjusted, truth)) - np.exp(adjusted)).max() < 0.03


@pytest.mark.parametrize("tau", [0.0, 0.6, 1.0])
def test_a_given_tau_is_menons_equation_9(tau: float) -> None:
    """What is left to the fit is the temperature; without an error in it, that is about 1."""
    exact, truth = long_tail(20_000, seed=1)
    given = exact + (1 - tau) * (ideal(exact, truth) - exact)
    made = shifted(given, truth, tau=tau)
    assert np.abs(np.exp(made) - np.exp(ideal(exact, truth))).max() < 0.03


@pytest.mark.parametrize("num", [400, 1_500])
def test_rare_classes_are_recognised_more_often(num: int) -> None:
    """By the balanced accuracy on new samples, over 30 repetitions."""
    gains = []
    for seed in range(30):
        exact, truth = long_tail(num, seed)
        own = make("calibrator", "prior_shift")
        module = load("calibrator", own)
        state = module.fit(own, exact, truth)
        new, known = long_tail(4_000, 1_000 + seed)
        made = module.apply(state, new)
        gains.append(balanced(made, known.targets) - balanced(new, known.targets))
    assert np.mean(gains) > 0.08
    assert np.min(gains) > 0


def balanced(log_probs: np.ndarray, targets: np.ndarray) -> float:
    decided = log_probs.argmax(axis=1)
    return float(np.mean([(decided[targets == each] == each).mean() for each in range(4)]))


def test_a_class_that_validation_does_not_show_is_not_made_likelier() -> None:
    exact, truth = long_tail(2_000)
    shown = truth.targets != 3
    shares = {"ant": 0.4, "bee": 0.3, "cat": 0.3, "dog": 0.0}
    own = weights(shares, CLASSES, truth.targets[shown], "validation")
    made = shifted(exact[shown], Truth(truth.targets[shown], truth.units[shown], own))
    assert np.exp(made)[:, 3].mean() < 1.5 * np.exp(exact)[shown, 3].mean()


def test_a_class_that_the_population_lacks_stays_finite() -> None:
    exact, truth = long_tail(500)
    shares = {"ant": 0.5, "bee": 0.3, "cat": 0.2, "dog": 0.0}
    own = weights(shares, CLASSES, truth.targets, "validation")
    made = shifted(exact, Truth(truth.targets, truth.units, own))
    assert np.isfinite(made).all()
    assert made[:, 3].max() < exact[:, 3].max()
