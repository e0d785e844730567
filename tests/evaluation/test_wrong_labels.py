"""The number of wrong labels, on simulated labels of which it is known how many are."""

import numpy as np
import pytest
from scipy.special import log_softmax

from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.label_errors import suspects
from pipeline.evaluation.wrong_labels import num_wrong_labels, wrong_labels_sentence

NUM, NUM_CLASSES, NUM_REPEATS = 2000, 4, 1000
NAMES = ("ant", "bee", "cat", "dog")


def draw(
    seed: int, distance: float, share: float, *, sharpness: float = 1.0, one_class: bool = False
) -> tuple[np.ndarray, np.ndarray, int]:
    """The true log-probabilities of samples from overlapping classes, labels, and how many of them
    were changed: at random, or those of the first class into the second."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, NUM_CLASSES, NUM)
    points = distance * np.eye(NUM_CLASSES)[true] + rng.normal(size=(NUM, NUM_CLASSES))
    given, among = true.copy(), np.flatnonzero(true == 0) if one_class else np.arange(NUM)
    wrong = rng.choice(among, int(share * NUM), replace=False)
    given[wrong] = 1 if one_class else (true[wrong] + rng.integers(1, 4, len(wrong))) % 4
    return log_softmax(sharpness * distance * points, axis=1), given, len(wrong)


@pytest.mark.parametrize("one_class", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_intervals_cover_the_number_of_wrong_labels(share: float, one_class: bool) -> None:
    values, covered = [], []
    for seed in range(NUM_REPEATS):
        log_probs, given, num_wrong = draw(seed, 4.0, share, one_class=one_class)
        found = num_wrong_labels(log_probs, given, 0.95)
        values.append(found.value)
        covered.append(found.low <= num_wrong <= found.high)
    assert np.mean(values) == pytest.approx(num_wrong, rel=0.1)
    assert np.mean(covered) > 0.92


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_hard_samples_are_not_taken_for_wrong_labels(sharpness: float) -> None:
    """However sure of itself the system is; the list of suspects takes many of them for wrong."""
    listed, doubted, values = [], [], []
    for seed in range(20):
        log_probs, given, _ = draw(seed, 2.5, 0.0, sharpness=sharpness)
        found = suspects(log_probs, given, np.arange(NUM), NAMES)
        listed.append(len(found))
        doubted.append(sum(1 - one.given_probability for one in found))
        values.append(num_wrong_labels(log_probs, given, 0.95).value)
    assert np.mean(values) < 10
    assert min(np.mean(listed), np.mean(doubted)) > 5 * np.mean(values)


def test_labels_are_counted_one_by_one() -> None:
    log_probs, given, num_wrong = draw(0, 6.0, 0.05)
    present = np.exp(log_probs).clip(1e-9, 1 - 1e-9)
    found = num_wrong_labels(
        np.log(np.stack([1 - present, present], axis=-1)), given[:, None] == np.arange(4), 0.95
    )
    assert found.num_samples == 4 * NUM
    assert found.low <= 2 * num_wrong <= found.high  # one label too many, and one too few


def test_the_sentence_says_what_was_not_examined() -> None:
    found = Estimate(97.4, 61.0, 143.2, 2000)
    said = wrong_labels_sentence(found, 138, 0)
    assert said.startswith("at most about 97 [61, 143] of 2,000 labels are wrong, by how often")
    assert said.endswith("the list of suspects holds 138")
    said = wrong_labels_sentence(found, 138, 8000)
    assert "8,000 training samples were not examined" in said
    said = wrong_labels_sentence(found, 144, 0)
    assert said.endswith("holds 144, more than are wrong, as hard samples look alike")
