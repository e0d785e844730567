"""Suspected label errors: flipped labels are found, right ones are left alone."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from pipeline.evaluation.label_errors import confident_joint, suspects

NAMES = ("ant", "bee", "cat", "dog")


def flipped(seed: int, share: float) -> tuple[np.ndarray, np.ndarray, set[str]]:
    """Out-of-fold log-probabilities of four separate blobs, the labels, and which are wrong."""
    corners = np.array([[0, 0], [0, 6], [6, 0], [6, 6]])
    points, true = make_blobs(2000, centers=corners, cluster_std=1.0, random_state=seed)
    generator = np.random.default_rng(seed)
    wrong = generator.choice(2000, int(share * 2000), replace=False)
    given = true.copy()
    given[wrong] = (true[wrong] + generator.integers(1, 4, len(wrong))) % 4
    model = LogisticRegression(max_iter=1000)
    probs = cross_val_predict(model, points, given, cv=5, method="predict_proba")
    return np.log(probs), given, {str(i) for i in wrong}


def test_most_flipped_labels_are_found_and_few_others() -> None:
    log_probs, given, wrong = flipped(seed=3, share=0.05)
    found = suspects(log_probs, given, np.arange(2000), NAMES)
    ids = {suspect.id for suspect in found}
    assert len(ids & wrong) >= 0.9 * len(wrong)
    assert len(ids - wrong) <= 0.05 * len(ids)
    worst = {suspect.id for suspect in found[:50]}
    assert len(worst & wrong) >= 48


def test_right_labels_of_separate_classes_are_not_suspected() -> None:
    given = np.repeat([0, 1], 50)
    probs = np.where(given[:, None] == [0, 1], 0.99, 0.01)
    assert suspects(np.log(probs), given, np.arange(100), NAMES[:2]) == []


def test_a_suspect_says_what_to_change() -> None:
    given = np.array([0, 0, 0, 1, 1, 1])
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    (suspect,) = suspects(np.log(probs), given, np.array(list("abcdef")), ("cat", "dog"))
    assert suspect[:3] == ("c", "cat", "dog")
    assert suspect[3:] == pytest.approx((0.05, 0.95, 0.9))


def test_the_confident_joint_counts_samples_over_their_thresholds() -> None:
    """Samples labelled 1 have p = 0.6 on average, so p = 0.45 is not confidently 1; the last sample
    is confidently of nothing, and counts as its neighbours under the same label do."""
    given = np.array([0, 1, 1, 2, 2, 2])
    probs = np.array(
        [
            [0.3, 0.45, 0.25],
            [0.2, 0.7, 0.1],
            [0.3, 0.5, 0.2],
            [0.1, 0.1, 0.8],
            [0.35, 0.35, 0.3],
            [0.25, 0.4, 0.35],
        ]
    )
    assert confident_joint(probs, given).tolist() == [[1, 0, 0], [1, 1, 0], [1.5, 0, 1.5]]


def test_a_class_that_no_sample_is_labelled_with_is_never_suggested() -> None:
    probs = np.array([[0.2, 0.1, 0.7], [0.1, 0.2, 0.7]])
    assert suspects(np.log(probs), np.array([0, 1]), np.arange(2), NAMES[:3]) == []


def test_labels_are_judged_one_by_one() -> None:
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    present = np.array([[0.9, 0.1], [0.8, 0.97], [0.1, 0.9], [0.1, 0.95]])
    log_probs = np.log(np.stack([1 - present, present], axis=-1))
    (suspect,) = suspects(log_probs, targets, np.arange(4), ("sun", "sea"))
    assert suspect[:3] == ("1", "no sea", "sea")
