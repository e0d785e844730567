"""Prediction sets: as MAPIE finds them, and with the coverage that the theory promises."""

from dataclasses import asdict

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from pipeline.config.ensembling import Sets
from pipeline.core.component import retuple
from pipeline.ensembling.conformal import ABOVE_ALL, PredictionSets, calibrate, scores
from pipeline.ensembling.truth import Truth

NUM_CLASSES, NUM_REPEATS = 4, 1000
METHODS = ("lac", "aps", "raps")


def draw(seed: int, num: int, sharpness: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities that are too sure of themselves, and classes of unequal size."""
    generator = np.random.default_rng(seed)
    targets = generator.choice(NUM_CLASSES, num, p=[0.4, 0.3, 0.2, 0.1])
    logits = np.eye(NUM_CLASSES)[targets] * 2 + generator.normal(size=(num, NUM_CLASSES))
    return log_softmax(sharpness * logits, axis=1), targets


class Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier of MAPIE whose inputs are the probabilities."""

    def __init__(self) -> None:
        self.classes_ = np.arange(NUM_CLASSES)
        self.is_fitted_ = True

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x.argmax(axis=1)


class Half(np.random.RandomState):
    """Draws one half wherever a score has a random part."""

    def uniform(self, low=0.0, high=1.0, size=None) -> np.ndarray:  # noqa: ARG002
        return np.full(size, 0.5)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("method", ["lac", "aps"])
def test_sets_are_those_of_mapie(method, coverage: float) -> None:
    (log_probs, targets), (others, _) = draw(0, 150), draw(1, 200)
    mapie = SplitConformalClassifier(
        Given(), confidence_level=coverage, conformity_score=method, random_state=Half()
    )
    mapie.conformalize(np.exp(log_probs), targets)
    how = {"include_last_label": "randomized"} if method == "aps" else {}
    _, expected = mapie.predict_set(np.exp(others), conformity_score_params=how)
    found = calibrate(
        log_probs, Truth.plain(targets), Sets(method=method, allow_empty=True), coverage
    )
    assert np.array_equal(found(others), expected[:, :, 0])


def test_raps_adds_its_penalty_to_the_ranks_after_the_first() -> None:
    """Equation 4 of Angelopoulos et al., 2021, with half for its random part."""
    log_probs, _ = draw(0, 50)
    found = scores(log_probs, "raps", penalty=0.3, num_free=1)
    for row, own in zip(np.exp(log_probs), found, strict=True):
        for k in range(NUM_CLASSES):
            rank = 1 + (row > row[k]).sum()
            above = row[row > row[k]].sum()
            assert own[k] == pytest.approx(above + row[k] / 2 + 0.3 * max(rank - 1, 0))


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_coverage_lies_in_the_band_of_the_theory(method, by_class: bool) -> None:
    """From the stated coverage to that plus 1 / (n + 1), on average over calibration sets of n."""
    num, coverage = 60, 0.8
    covered = []
    settings = Sets(method=method, by_class=by_class, allow_empty=True)
    for seed in range(NUM_REPEATS):
        log_probs, targets = draw(seed, num + 100)
        if by_class:  # as many of each class, so that the band is known
            targets = np.arange(num + 100) % NUM_CLASSES
            noise = np.random.default_rng(seed).normal(size=(num + 100, NUM_CLASSES))
            log_probs = log_softmax(2 * np.eye(NUM_CLASSES)[targets] + noise, axis=1)
        found = calibrate(log_probs[:num], Truth.plain(targets[:num]), settings, coverage)
        inside = found(log_probs[num:])[np.arange(100), targets[num:]]
        covered.append([inside[targets[num:] == k].mean() for k in range(NUM_CLASSES)]
                       if by_class else [inside.mean()])  # fmt: skip
    mean, error = np.mean(covered, axis=0), np.std(covered, axis=0) / np.sqrt(NUM_REPEATS)
    counted = num / NUM_CLASSES if by_class else num
    assert (mean > coverage - 3 * error).all()
    assert (mean < coverage + 1 / (counted + 1) + 3 * error).all()


def test_marginal_sets_fail_a_hard_class_and_those_by_class_do_not() -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(8000) % NUM_CLASSES
    skill = np.array([4.0, 4.0, 4.0, 0.5])[targets][:, None]
    log_probs = log_softmax(
        skill * np.eye(NUM_CLASSES)[targets] + generator.normal(size=(8000, NUM_CLASSES)), axis=1
    )
    hard = targets[4000:] == 3
    covered = {}
    for by_class in (False, True):
        found = calibrate(
            log_probs[:4000], Truth.plain(targets[:4000]), Sets(by_class=by_class), 0.9
        )
        covered[by_class] = found(log_probs[4000:])[hard, 3].mean()
    assert covered[False] < 0.75
    assert covered[True] == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_no_set_is_empty_unless_that_is_allowed(method) -> None:
    """Nine of ten are right: for half of them, the most probable class is not needed."""
    log_probs, targets = draw(0, 500, sharpness=5.0)
    sizes = {
        allowed: calibrate(
            log_probs, Truth.plain(targets), Sets(method=method, allow_empty=allowed), 0.5
        )(log_probs).sum(axis=1)
        for allowed in (False, True)
    }
    assert sizes[False].min() == 1
    assert (sizes[True] == 0).mean() > 0.1


def test_the_coverage_holds_in_the_population_that_class_shares_name() -> None:
    """Validation has few samples of a class that is as hard as it is rare, the population many."""
    rng, shares, covered = np.random.default_rng(0), np.array([0.6, 0.3, 0.08, 0.02]), []

    def some(num: int, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        targets = rng.choice(NUM_CLASSES, num, p=p)
        skill = np.array([4.0, 3.0, 2.0, 0.5])[targets][:, None]
        logits = skill * np.eye(NUM_CLASSES)[targets] + rng.normal(size=(num, NUM_CLASSES))
        return log_softmax(logits, axis=1), targets

    for _ in range(NUM_REPEATS // 2):
        (known, targets), (others, true) = some(400, shares), some(100, np.full(4, 0.25))
        if len(set(targets)) < NUM_CLASSES:
            continue
        weights = 0.25 * len(targets) / np.bincount(targets)[targets]
        truths = Truth.plain(targets), Truth(targets, np.arange(400), weights)
        sets = [calibrate(known, truth, Sets(), 0.9)(others) for truth in truths]
        covered.append([own[np.arange(100), true].mean() for own in sets])
    as_found, weighted = np.mean(covered, axis=0)
    assert as_found < 0.8
    assert 0.895 < weighted < 0.95  # at least; a class of eight samples makes sets a little large


def test_a_class_with_too_few_samples_is_never_left_out() -> None:
    log_probs, targets = draw(0, 100)
    targets[targets == 3] = 0
    targets[:8] = 3  # eight samples cannot support 90 %
    found = calibrate(log_probs, Truth.plain(targets), Sets(by_class=True), 0.9)
    assert found.thresholds[3] == ABOVE_ALL > max(found.thresholds[:3])
    assert found(log_probs)[:, 3].all()


def test_a_rule_survives_its_file() -> None:
    log_probs, targets = draw(0, 100)
    found = calibrate(log_probs, Truth.plain(targets), Sets(method="raps", by_class=True), 0.9)
    assert PredictionSets(**retuple(asdict(found))) == found
