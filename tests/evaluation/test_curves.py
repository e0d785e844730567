"""Curves: against scikit-learn's, thinned; and what is left out."""

from functools import partial

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve

from pipeline.core.kind import Kind
from pipeline.evaluation.curves import ALL, MOST_POINTS, precision_recall, reliability, roc
from pipeline.evaluation.outputs import SystemOutput
from pipeline.tasks import multiclass
from tests.evaluation.test_metrics import sample

NAMES = ["ant", "bee", "cat", "dog"]


def hot(targets: np.ndarray) -> np.ndarray:
    return targets if targets.ndim == 2 else targets[:, None] == np.arange(4)


def share(outputs: SystemOutput) -> np.ndarray:
    log_probs = outputs.predictions
    return np.exp(log_probs if log_probs.ndim == 2 else log_probs[..., 1])


def area(points: list, name: str) -> float:
    """Of the first two columns of one curve, by steps."""
    x, y, _ = np.array([point[1:] for point in points if point.curve == name]).T
    assert len(x) <= MOST_POINTS + 1
    assert (np.diff(x) >= 0).all()
    return float(np.trapezoid(y, x))


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_thinned_curves_keep_their_areas(kind: Kind) -> None:
    outputs, targets = sample(kind, seed=1, size=5000)
    noise = np.random.default_rng(0).normal(scale=0.3, size=outputs.predictions.shape)
    outputs = SystemOutput(multiclass.predictions(outputs.predictions + noise), outputs.decided)
    points, precisions = (
        curve(outputs, targets, NAMES, even(targets)) for curve in (roc, precision_recall)
    )
    each = zip(NAMES, share(outputs).T, hot(targets).T, strict=True)
    for name, own, is_so in [*each, (ALL, share(outputs).ravel(), hot(targets).ravel())]:
        assert area(points, name) == pytest.approx(reference.roc_auc_score(is_so, own), abs=2e-3)
        expected = reference.average_precision_score(is_so, own)
        assert area(precisions, name) == pytest.approx(expected, abs=5e-3)


def test_a_point_is_what_its_threshold_gives() -> None:
    outputs, targets = sample("classes", seed=1)
    truth, own = targets == 2, share(outputs)[:, 2]
    for point in roc(outputs, targets, NAMES, even(targets)):
        if point.curve == "cat" and point.threshold < 1:
            yes = own >= point.threshold
            assert point.true_positive_rate == pytest.approx((yes & truth).sum() / truth.sum())
            assert point.false_positive_rate == pytest.approx((yes & ~truth).sum() / (~truth).sum())
    for step in precision_recall(outputs, targets, NAMES, even(targets)):
        if step.curve == "cat" and step.threshold < 1:
            yes = own >= step.threshold
            assert step.recall == pytest.approx((yes & truth).sum() / truth.sum())
            assert step.precision == pytest.approx((yes & truth).sum() / yes.sum())


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_a_sample_that_counts_three_times_is_as_good_as_three(kind: str) -> None:
    outputs, targets = sample(kind, seed=3)
    counts = np.random.default_rng(4).integers(1, 4, len(targets))
    rows = np.repeat(np.arange(len(targets)), counts)
    copied = SystemOutput(outputs.predictions[rows], outputs.decided[rows])
    weights = counts / counts.mean()
    for curve in (roc, precision_recall):
        found = curve(outputs, targets, NAMES, weights)
        expected = curve(copied, targets[rows], NAMES, even(rows))
        assert areas(found) == pytest.approx(areas(expected), abs=1e-3)  # both are thinned
        assert areas(found) != pytest.approx(
            areas(curve(outputs, targets, NAMES, even(targets))), abs=1e-3
        )
    bins = partial(reliability, num_bins=5, confidence=0.9)
    found = bins(outputs, targets, NAMES, weights)
    expected = bins(copied, targets[rows], NAMES, even(rows))
    for own, other in zip(found, expected, strict=True):
        assert own[:3] == (other[0], *map(pytest.approx, other[1:3]))


def areas(points: list) -> list[float]:
    return [area(points, name) for name in dict.fromkeys(point.curve for point in points)]


def even(targets: np.ndarray) -> np.ndarray:
    return np.ones(len(targets))


def test_both_ends_of_a_curve_are_there() -> None:
    outputs, targets = sample("labels", seed=1)
    for name in (ALL, *NAMES):
        own = [
            point for point in roc(outputs, targets, NAMES, even(targets)) if point.curve == name
        ]
        assert own[0][1:3] == (0, 0)
        assert own[-1][1:3] == (1, 1)
        steps = [
            p for p in precision_recall(outputs, targets, NAMES, even(targets)) if p.curve == name
        ]
        assert steps[0][1:3] == (0, 1)
        assert steps[-1].recall == 1


def test_reliability_is_scikit_learns_with_exact_intervals() -> None:
    outputs, targets = sample("classes", seed=1, size=500)
    rows = reliability(outputs, targets, NAMES, even(targets), num_bins=5, confidence=0.9)
    own = [row for row in rows if row.curve == "bee"]
    observed, predicted = calibration_curve(targets == 1, share(outputs)[:, 1], n_bins=5)
    assert [row.observed for row in own] == pytest.approx(observed)
    assert [row.predicted for row in own] == pytest.approx(predicted)
    assert sum(row.num_samples for row in own) == 500
    for row in rows:
        hits = round(row.observed * row.num_samples)
        exact = binomtest(hits, row.num_samples).proportion_ci(0.9)
        assert (row.low, row.high) == pytest.approx((exact.low, exact.high))


def test_all_classes_together_are_reliable_as_their_answers_are() -> None:
    outputs, targets = sample("classes", seed=1, size=500)
    rows = reliability(outputs, targets, NAMES, even(targets), num_bins=1, confidence=0.9)
    (together,) = [row for row in rows if row.curve == ALL]
    assert together.predicted == pytest.approx(share(outputs).max(axis=1).mean())
    assert together.observed == (outputs.predictions.argmax(axis=1) == targets).mean()


def test_two_classes_have_one_curve() -> None:
    log_probs = multiclass.predictions(np.random.default_rng(0).normal(size=(50, 2)))
    outputs, targets = SystemOutput(log_probs, log_probs.argmax(axis=1)), np.arange(50) % 2
    found = (
        roc(outputs, targets, NAMES[:2], even(targets)),
        precision_recall(outputs, targets, NAMES[:2], even(targets)),
        reliability(outputs, targets, NAMES[:2], even(targets), num_bins=5, confidence=0.9),
    )
    assert {row.curve for rows in found for row in rows} == {"bee"}


def test_many_classes_have_one_curve_together() -> None:
    log_probs = multiclass.predictions(np.random.default_rng(0).normal(size=(50, 30)))
    outputs, names = (
        SystemOutput(log_probs, log_probs.argmax(axis=1)),
        [f"class {i}" for i in range(30)],
    )
    assert {point.curve for point in roc(outputs, np.arange(50) % 30, names, np.ones(50))} == {ALL}


def test_a_class_without_samples_has_no_curve() -> None:
    outputs, targets = sample("classes", seed=0)
    assert 3 not in targets
    for rows in (
        roc(outputs, targets, NAMES, even(targets)),
        precision_recall(outputs, targets, NAMES, even(targets)),
    ):
        assert {row.curve for row in rows} == {ALL, *NAMES[:3]}
        assert np.isfinite([row[1:] for row in rows]).all()
