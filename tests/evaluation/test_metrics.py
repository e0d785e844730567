"""Metrics against scikit-learn and torchmetrics, against their definitions, and where undefined."""

import json
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from pipeline.config.ensembling import Costs, Goal
from pipeline.core.kind import Kind
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.metrics import Metric, headline, metrics, of_each
from pipeline.evaluation.metrics.calibration import of_most_probable
from pipeline.evaluation.metrics.ranks import average_precision, roc_area
from pipeline.evaluation.outputs import SystemOutput
from pipeline.tasks import multiclass, multilabel

KINDS: tuple[Kind, ...] = ("classes", "labels", "values")
COSTS = ((0.0, 1.0, 5.0, 2.0), (1.0, 0.0, 1.0, 1.0), (3.0, 2.0, 0.0, 9.0), (1.0, 1.0, 1.0, -1.0))
MEASURED = {
    kind: metrics(kind, 4, num_bins=7, top_k=3, costs=COSTS, positive=None) for kind in KINDS
}


def sample(kind: Kind, seed: int, size: int = 60) -> tuple[SystemOutput, np.ndarray]:
    """Of 4 classes, labels or values: with ties, the last class or label absent in every third
    sample of all, and, as after thresholds, answers that are not always the most probable."""
    generator = np.random.default_rng(seed)
    if kind == "values":
        targets = generator.normal([0, 100, -5, 1e6], [1, 10, 0.1, 3], (size, 4))
        values = targets + generator.normal(size=(size, 4))
        return SystemOutput(values, values, np.array([1.0, 2.0, 0.5, 0.1])), targets
    num_used = 4 - (seed % 3 == 0)
    scores = (4 * generator.normal(size=(size, 4))).round() / 4  # exact, so that ties stay ties
    if kind == "classes":
        targets = generator.integers(0, num_used, size)
        log_probs = multiclass.predictions(1.5 * np.eye(4)[targets] + scores)
        some = generator.integers(0, num_used, size)
        decided = np.where(generator.random(size) < 0.2, some, log_probs.argmax(axis=1))
        return SystemOutput(log_probs, decided), targets
    targets = (generator.random((size, 4)) < 0.4) & (np.arange(4) < num_used)
    log_probs = multilabel.predictions(1.5 * targets - 1 + scores)
    return SystemOutput(log_probs, log_probs[..., 1] > np.log(0.4)), targets


def measure(metric: Metric, outputs: SystemOutput, targets: np.ndarray) -> float:
    sums = metric.statistics(outputs, targets).sum(axis=0, keepdims=True)
    return float(metric.value(sums, np.array([len(targets)]))[0])


def averaged(decided: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """scikit-learn's averages, over the classes or labels that occur."""
    hot = [a if a.ndim == 2 else a[:, None] == np.arange(4) for a in (decided, targets)]
    labels = np.flatnonzero((hot[0] | hot[1]).any(axis=0))
    found = {}
    for way in ("macro", "micro", "weighted"):
        scores = reference.precision_recall_fscore_support(
            targets, decided, labels=labels, average=way, zero_division=0
        )
        found |= {
            f"{way}_{name}": scores[i] for i, name in enumerate(("precision", "recall", "f1"))
        }
    return found


def areas(scores: np.ndarray, hot: np.ndarray) -> tuple[float, float]:
    """Means of ROC area and average precision over the classes or labels that occur.

    Of logarithms, as a probability may be rounded to that of another sample.
    """
    used = np.flatnonzero(hot.any(axis=0))
    return tuple(
        float(np.mean([area(hot[:, i], scores[:, i]) for i in used]))
        for area in (reference.roc_auc_score, reference.average_precision_score)
    )


def expected_of_classes(outputs: SystemOutput, targets: np.ndarray) -> dict[str, float]:
    share, decided, labels = np.exp(outputs.predictions), outputs.decided, list(range(4))
    roc_auc, mean_precision = areas(outputs.predictions, targets[:, None] == labels)
    confusion = reference.confusion_matrix(targets, decided, labels=labels)
    order = np.argsort(-share, axis=1, kind="stable")
    return averaged(decided, targets) | {
        "accuracy": reference.accuracy_score(targets, decided),
        "top_3_accuracy": (order[:, :3] == targets[:, None]).any(axis=1).mean(),
        "balanced_accuracy": reference.recall_score(
            targets, decided, labels=np.unique(targets), average="macro"
        ),
        "cohen_kappa": reference.cohen_kappa_score(targets, decided),
        "matthews": reference.matthews_corrcoef(targets, decided),
        "roc_auc": roc_auc,
        "average_precision": mean_precision,
        "log_loss": reference.log_loss(targets, share, labels=labels),
        "brier": reference.brier_score_loss(targets, share, labels=labels),
        "calibration_error": calibration_error(share.max(axis=1), share.argmax(axis=1) == targets),
        "classwise_calibration_error": np.mean(
            [calibration_error(share[:, i], targets == i) for i in labels]
        ),
        "cost": (confusion * np.array(COSTS)).sum() / len(targets),
    }


def expected_of_labels(outputs: SystemOutput, targets: np.ndarray) -> dict[str, float]:
    share, decided = np.exp(outputs.predictions[..., 1]), outputs.decided
    roc_auc, mean_precision = areas(np.subtract(*outputs.predictions.T[::-1]).T, targets)
    each = list(zip(targets.T, share.T, strict=True))
    return averaged(decided, targets) | {
        "hamming_loss": reference.hamming_loss(targets, decided),
        "subset_accuracy": reference.accuracy_score(targets, decided),
        "macro_balanced_accuracy": np.mean(
            [
                reference.balanced_accuracy_score(*one)
                for one in zip(targets.T, decided.T, strict=True)
            ]
        ),
        "roc_auc": roc_auc,
        "mean_average_precision": mean_precision,
        "log_loss": np.mean([reference.log_loss(t, p, labels=[False, True]) for t, p in each]),
        "brier": np.mean([reference.brier_score_loss(t, p, pos_label=True) for t, p in each]),
        "calibration_error": np.mean([calibration_error(p, t) for t, p in each]),
    }


def expected_of_values(outputs: SystemOutput, targets: np.ndarray) -> dict[str, float]:
    values = outputs.predictions
    assert outputs.half_widths is not None
    return {
        "rmse": reference.root_mean_squared_error(targets, values),
        "mae": reference.mean_absolute_error(targets, values),
        "r2": reference.r2_score(targets, values),
        "interval_coverage": (np.abs(values - targets) <= outputs.half_widths).mean(),
        "interval_width": 2 * outputs.half_widths.mean(),
    }


def calibration_error(share: np.ndarray, is_so: np.ndarray) -> float:
    """In 7 bins, by its definition."""
    error = 0.0
    for low in range(7):
        inside = np.minimum(np.floor(share * 7), 6) == low
        error += abs(share[inside].sum() - is_so[inside].sum()) / len(share)
    return error


EXPECTED: dict[Kind, Callable[[SystemOutput, np.ndarray], dict[str, float]]] = {
    "classes": expected_of_classes,
    "labels": expected_of_labels,
    "values": expected_of_values,
}


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_metrics_are_those_of_the_references(kind: Kind, seed: int) -> None:
    outputs, targets = sample(kind, seed)
    found = {name: measure(m, outputs, targets) for name, m in MEASURED[kind].items()}
    assert found == pytest.approx(EXPECTED[kind](outputs, targets), abs=1e-6, rel=1e-6)
    assert headline(kind, 3, "half", None) == next(iter(found))


@pytest.mark.parametrize("kind", KINDS)
def test_one_output_alone_is_measured_as_against_the_rest(kind: Kind) -> None:
    outputs, targets = sample(kind, seed=1)
    found = [{n: measure(m, outputs, targets) for n, m in own.items()} for own in of_each(kind, 4)]
    if kind == "values":
        assert found[3]["rmse"] == pytest.approx(
            reference.root_mean_squared_error(targets[:, 3], outputs.predictions[:, 3])
        )
        assert found[2]["interval_width"] == pytest.approx(1.0)
        return
    hot, share, decided = targets, np.exp(outputs.predictions[..., 1:]).squeeze(), outputs.decided
    if kind == "classes":
        share, classes = np.exp(outputs.predictions), np.arange(4)
        hot, decided = targets[:, None] == classes, decided[:, None] == classes
    for i, own in enumerate(found):
        scores = reference.precision_recall_fscore_support(
            hot[:, i], decided[:, i], average="binary"
        )
        assert [own["precision"], own["recall"], own["f1"]] == pytest.approx(scores[:3])
        assert own["roc_auc"] == pytest.approx(reference.roc_auc_score(hot[:, i], share[:, i]))
        expected = reference.average_precision_score(hot[:, i], share[:, i])
        assert own["average_precision"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (roc_area, reference.roc_auc_score),
        (average_precision, reference.average_precision_score),
    ],
)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_areas_are_linear_in_the_weight_of_each_sample(area, expected, seed: int) -> None:
    """What a sample has above the mean is the derivative with respect to its weight."""
    generator = np.random.default_rng(seed)
    scores, is_so = generator.normal(size=20).round(1), np.arange(20) % 3 == 0
    step = 1e-5
    weights = 1 + step * np.eye(20)
    value = expected(is_so, scores)
    slopes = [(expected(is_so, scores, sample_weight=w) - value) / step for w in weights]
    assert area(scores, is_so).mean() == pytest.approx(value)
    np.testing.assert_allclose(area(scores, is_so) - value, 20 * np.array(slopes), atol=1e-3)


def test_calibration_errors_are_those_of_torchmetrics() -> None:
    import torch
    from torchmetrics.functional import classification

    outputs, targets = sample("classes", seed=1, size=500)
    noise = np.random.default_rng(0).normal(size=(500, 4))  # of ties torch takes another
    outputs = outputs._replace(predictions=log_softmax(outputs.predictions + noise, axis=1))
    share, truth = torch.from_numpy(np.exp(outputs.predictions)), torch.from_numpy(targets)
    found = {name: measure(m, outputs, targets) for name, m in MEASURED["classes"].items()}
    of_most_probable = classification.multiclass_calibration_error(share, truth, 4, n_bins=7)
    assert found["calibration_error"] == pytest.approx(float(of_most_probable))
    of_classes = [
        classification.binary_calibration_error(
            share[:, i].contiguous(), (truth == i).int(), n_bins=7
        )
        for i in range(4)
    ]
    assert found["classwise_calibration_error"] == pytest.approx(np.mean(of_classes))


def test_a_calibrated_system_has_little_calibration_error() -> None:
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.ones(3), size=40_000)
    targets = (probs.cumsum(1) < generator.random((40_000, 1))).sum(1)
    error = partial(of_most_probable, 10)
    assert error(SystemOutput(np.log(probs), targets), targets).mean() < 0.02
    assert error(SystemOutput(log_softmax(4 * np.log(probs), 1), targets), targets).mean() > 0.1


def test_a_sure_mistake_is_costly_and_finite() -> None:
    outputs = SystemOutput(
        multiclass.predictions(np.array([[1000.0, 0, 0, 0]] * 2)), np.zeros(2, int)
    )
    found = Bootstrap(np.arange(2), np.ones(2), 100, 0.95, 0).estimates(
        MEASURED["classes"], outputs, np.array([1, 0])
    )
    assert found["log_loss"].value == pytest.approx(500)
    assert not found["log_loss"].has_interval  # one sample decides it
    assert found["brier"].value == pytest.approx(1)
    assert found["calibration_error"].value == pytest.approx(0.5)
    assert found["roc_auc"].value == pytest.approx(0.5)
    labels = SystemOutput(
        multilabel.predictions(np.array([[1000.0, -1000.0]])), np.array([[True, False]])
    )
    wrong = np.array([[False, True]])
    assert measure(MEASURED["labels"]["log_loss"], labels, wrong) == pytest.approx(1000)


@pytest.mark.parametrize(
    ("kind", "undefined"),
    [
        ("classes", {"roc_auc", "cohen_kappa"}),
        (
            "labels",
            {f"weighted_{name}" for name in ("precision", "recall", "f1")}
            | {"roc_auc", "mean_average_precision"},
        ),
        ("values", {"r2", "interval_coverage", "interval_width"}),
    ],
)
def test_what_the_samples_do_not_define_is_left_out(kind: Kind, undefined: set[str]) -> None:
    """One class alone, labels that no sample has, equal values without intervals."""
    outputs, targets = sample(kind, seed=1)
    targets = np.broadcast_to(targets[:1] * 0 + (kind == "classes"), targets.shape)
    targets = targets.astype(bool) if kind == "labels" else targets
    decided = targets if kind != "labels" else ~targets
    found = Bootstrap(np.arange(60), np.ones(60), 100, 0.95, 0).estimates(
        MEASURED[kind], SystemOutput(outputs.predictions, decided), targets
    )
    assert set(MEASURED[kind]) - set(found) == undefined
    json.dumps({name: own.as_json() for name, own in found.items()}, allow_nan=False)


def test_a_class_without_samples_counts_as_scikit_learn_says() -> None:
    """Not at all where it is no answer either; else with a precision and a recall of 0."""
    outputs, targets = sample("classes", seed=0)
    assert 3 not in targets
    with_3 = outputs._replace(decided=np.where(np.arange(60) < 10, 3, outputs.decided))
    for name in ("macro_precision", "macro_recall", "balanced_accuracy"):
        found = measure(MEASURED["classes"][name], with_3, targets)
        assert found == pytest.approx(expected_of_classes(with_3, targets)[name])
    own = of_each("classes", 4)[3]
    assert np.isnan(measure(own["recall"], with_3, targets))
    assert measure(own["precision"], with_3, targets) == 0


@pytest.mark.parametrize(("kind", "task"), [("classes", multiclass), ("labels", multilabel)])
def test_what_training_watches_is_what_evaluation_reports(kind: Kind, task) -> None:
    """Where the most probable is predicted."""
    outputs, targets = sample(kind, seed=1)
    log_probs = outputs.predictions
    decided = log_probs.argmax(axis=-1) if kind == "classes" else log_probs.argmax(axis=-1) == 1
    for name, values in task.scores(log_probs, targets).items():
        found = measure(MEASURED[kind][name], SystemOutput(log_probs, decided), targets)
        assert values.mean() == pytest.approx(found)


@pytest.mark.parametrize("positive", [0, 1])
def test_the_positive_class_has_an_f1_of_its_own(positive: int) -> None:
    rng = np.random.default_rng(0)
    targets, decided = (rng.integers(0, 2, 200) for _ in range(2))
    found = metrics("classes", 2, num_bins=7, top_k=3, costs=None, positive=positive)["f1"]
    outputs = SystemOutput(np.zeros((200, 2)), decided)
    expected = reference.f1_score(targets, decided, pos_label=positive)
    assert measure(found, outputs, targets) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "num_outputs", "goal", "costs", "name"),
    [
        ("classes", 2, "half", None, "accuracy"),
        ("classes", 2, "f1", None, "f1"),
        ("classes", 2, "balanced_accuracy", None, "balanced_accuracy"),
        ("classes", 3, "f1", None, "accuracy"),
        ("classes", 3, "half", COSTS, "cost"),
        ("labels", 3, "f1", None, "macro_f1"),
        ("labels", 3, "balanced_accuracy", None, "macro_balanced_accuracy"),
        ("values", 3, "f1", None, "rmse"),
    ],
)
def test_systems_are_compared_by_the_goal_of_their_decisions(
    kind: Kind, num_outputs: int, goal: Goal, costs: Costs | None, name: str
) -> None:
    assert headline(kind, num_outputs, goal, costs) == name
    positive = 1 if goal == "f1" and num_outputs == 2 else None
    assert name in metrics(kind, num_outputs, num_bins=5, top_k=3, costs=costs, positive=positive)
