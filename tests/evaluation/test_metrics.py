"""Metrics against scikit-learn, and against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from pipeline.evaluation.compare import confusion_counts
from pipeline.evaluation.metrics import metrics
from pipeline.tasks.multiclass import predictions as log_probs
from pipeline.tasks.multiclass import scores

METRICS = metrics(num_bins=10)


def predictions(seed: int, size: int = 60, num_classes: int = 4):
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, num_classes, size)
    targets[:num_classes] = np.arange(num_classes)
    logits = 1.5 * np.eye(num_classes)[targets] + generator.normal(size=(size, num_classes))
    return log_probs(logits), targets


def measure(name: str, table: np.ndarray, targets: np.ndarray) -> float:
    metric = METRICS[name]
    sums = metric.statistics(table, targets).sum(axis=0, keepdims=True)
    return float(metric.value(sums, len(targets))[0])


def naive_calibration_error(table: np.ndarray, targets: np.ndarray, num_bins: int) -> float:
    confidence, correct = np.exp(table.max(1)), table.argmax(1) == targets
    error = 0.0
    for low in np.arange(num_bins) / num_bins:
        inside = (confidence >= low) & (confidence < low + 1 / num_bins)
        if low + 1 / num_bins >= 1:
            inside |= confidence >= 1
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return error


@given(st.integers(0, 10_000))
def test_metrics_are_scikit_learns(seed: int) -> None:
    table, targets = predictions(seed)
    predicted, probs = table.argmax(1), np.exp(table)
    labels = list(range(4))
    assert measure("accuracy", table, targets) == pytest.approx(accuracy_score(targets, predicted))
    expected_f1 = f1_score(targets, predicted, average="macro", labels=labels, zero_division=0)
    assert measure("macro_f1", table, targets) == pytest.approx(expected_f1)
    assert measure("log_loss", table, targets) == pytest.approx(
        log_loss(targets, probs, labels=labels)
    )
    np.testing.assert_array_equal(
        confusion_counts(table, targets), confusion_matrix(targets, predicted, labels=labels)
    )


@given(st.integers(0, 10_000))
def test_calibration_error_is_its_definition(seed: int) -> None:
    table, targets = predictions(seed)
    expected = naive_calibration_error(table, targets, 10)
    assert measure("calibration_error", table, targets) == pytest.approx(expected, abs=1e-9)


def test_a_calibrated_model_has_little_calibration_error() -> None:
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.ones(3), size=40_000)
    targets = (probs.cumsum(1) < generator.random((40_000, 1))).sum(1)
    assert measure("calibration_error", np.log(probs), targets) < 0.02
    sure = log_probs(np.log(probs) * 4)
    assert measure("calibration_error", sure, targets) > 0.1


def test_a_sure_mistake_is_costly_and_finite() -> None:
    table = log_probs(np.array([[1000.0, 0.0]]))
    assert measure("log_loss", table, np.array([1])) == pytest.approx(1000)
    assert measure("calibration_error", table, np.array([1])) == pytest.approx(1)


@given(st.integers(0, 10_000))
def test_what_training_watches_is_what_evaluation_reports(seed: int) -> None:
    table, targets = predictions(seed)
    for name, values in scores(table, targets).items():
        assert values.mean() == pytest.approx(measure(name, table, targets))
