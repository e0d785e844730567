"""Tasks against their definitions, and conformance of every task."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_softmax
from sklearn.metrics import accuracy_score, hamming_loss, log_loss

from pipeline.core.component import Component, load, names, schema
from pipeline.core.errors import UserError
from pipeline.tasks import binary, multiclass, multilabel, regression

TASKS = names("task")
MEAN, STD = (3.0, -200.0), (0.5, 40.0)


def sample(name: str, seed: int, size: int = 40) -> tuple[ModuleType, np.ndarray, np.ndarray]:
    """Return a task, logits of two outcomes, and targets of its kind."""
    task, generator = load("task", Component(name=name)), np.random.default_rng(seed)
    logits = 3 * generator.normal(size=(size, task.num_outputs(2)))
    targets = {
        "classes": np.arange(size) % 2,
        "labels": generator.random((size, 2)) < 0.4,
        "values": generator.normal(MEAN, STD, (size, 2)),
    }
    return task, logits, targets[task.Params.KIND]


def scale(task: ModuleType) -> tuple[tuple[float, ...], ...]:
    """Return what a card holds for the task: nothing, or mean and std of the values."""
    return (MEAN, STD) if task.Params.KIND == "values" else ()


@pytest.mark.parametrize("name", TASKS)
def test_what_is_watched_is_a_mean_over_samples(name: str) -> None:
    task, logits, targets = sample(name, seed=0)
    figures = task.scores(task.predictions(logits, *scale(task)), targets, *scale(task))
    assert schema("task", name).SCORES.keys() == figures.keys()
    assert schema("task", name).SCORES[schema("task", name).MONITOR] == "minimize"
    for values in figures.values():
        assert values.shape == (40,)
        assert values.dtype == np.float64
    first = task.scores(task.predictions(logits[:7], *scale(task)), targets[:7], *scale(task))
    for key, values in first.items():
        np.testing.assert_array_equal(values, figures[key][:7])


@pytest.mark.parametrize("name", TASKS)
def test_better_logits_have_a_lower_figure(name: str) -> None:
    task, logits, targets = sample(name, seed=0)
    monitor = schema("task", name).MONITOR
    if task.Params.KIND == "values":
        right = (targets - MEAN) / STD
    else:
        right = 4.0 * (targets if targets.ndim == 2 else targets[:, None]) - 2
        right = np.hstack([-right, right])[:, -logits.shape[1] :]
    losses = [
        task.scores(task.predictions(share * right, *scale(task)), targets, *scale(task))[monitor]
        for share in (-1, 0, 0.5, 1)
    ]
    assert np.all(np.diff([loss.mean() for loss in losses]) < 0)


@pytest.mark.parametrize("name", TASKS)
def test_all_members_are_predicted_at_once(name: str) -> None:
    task, logits, _ = sample(name, seed=1)
    pool = np.stack([logits, 2 * logits, -logits])
    together = task.predictions(pool, *scale(task))
    for member, alone in zip(pool, together, strict=True):
        np.testing.assert_array_equal(task.predictions(member, *scale(task)), alone)


@pytest.mark.parametrize("name", TASKS)
def test_a_confident_wrong_answer_stays_finite(name: str) -> None:
    task, logits, targets = sample(name, seed=2)
    extreme = np.sign(logits).astype(np.float32) * 1e4
    figures = task.scores(task.predictions(extreme, *scale(task)), targets, *scale(task))
    assert all(np.isfinite(values).all() for values in figures.values())


@given(st.integers(0, 10_000))
def test_multiclass_is_the_log_of_the_softmax(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits, targets = 5 * generator.normal(size=(50, 4)), np.arange(50) % 4
    log_p = multiclass.predictions(logits)
    np.testing.assert_allclose(log_p, log_softmax(logits, axis=1), atol=1e-12)
    figures = multiclass.scores(log_p, targets)
    assert figures["log_loss"].mean() == pytest.approx(log_loss(targets, np.exp(log_p)))
    assert figures["accuracy"].mean() == accuracy_score(targets, logits.argmax(axis=1))


@given(st.integers(0, 10_000))
def test_binary_is_multiclass_with_a_first_logit_of_zero(seed: int) -> None:
    _, logits, targets = sample("binary", seed)
    log_p = binary.predictions(logits)
    two = multiclass.predictions(np.hstack([np.zeros_like(logits), logits]))
    np.testing.assert_allclose(log_p, two, atol=1e-12)
    expected = log_loss(targets, expit(logits[:, 0]))
    assert binary.scores(log_p, targets)["log_loss"].mean() == pytest.approx(expected)


@pytest.mark.parametrize("num_classes", [1, 3])
def test_binary_takes_two_classes(num_classes: int) -> None:
    match = f"got binary, but the data has {num_classes} classes; allowed 2; use multiclass"
    with pytest.raises(UserError, match=match):
        binary.num_outputs(num_classes)


@given(st.integers(0, 10_000))
def test_multilabel_is_scikit_learns(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits, targets = 2 * generator.normal(size=(30, 3)), generator.random((30, 3)) < 0.5
    log_p = multilabel.predictions(logits)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=-1), 1)
    np.testing.assert_allclose(np.exp(log_p[..., 1]), expit(logits))
    figures = {key: values.mean() for key, values in multilabel.scores(log_p, targets).items()}
    by_label = [log_loss(targets[:, k], expit(logits[:, k]), labels=[0, 1]) for k in range(3)]
    assert figures == pytest.approx(
        {
            "log_loss": np.mean(by_label),
            "hamming_loss": hamming_loss(targets, logits > 0),
            "subset_accuracy": accuracy_score(targets, logits > 0),
        }
    )


def test_a_label_that_is_all_but_sure_keeps_its_other_side() -> None:
    log_p = multilabel.predictions(np.array([[60.0]]))
    assert log_p[0, 0] == pytest.approx([-60, -np.exp(-60)], rel=1e-12)


@given(st.integers(0, 10_000))
def test_regression_answers_in_the_units_of_its_targets(seed: int) -> None:
    task, _, targets = sample("regression", seed)
    right = task.predictions((targets - MEAN) / STD, MEAN, STD)
    np.testing.assert_allclose(right, targets)
    wrong = task.predictions((targets - MEAN) / STD + [0.3, -0.1], MEAN, STD)
    figures = regression.scores(wrong, targets, MEAN, STD)
    np.testing.assert_allclose(figures["standardised_mse"], (0.3**2 + 0.1**2) / 2)
    np.testing.assert_allclose(figures["standardised_mae"], (0.3 + 0.1) / 2)


def test_the_mean_of_train_has_a_standardised_error_of_one() -> None:
    targets = np.random.default_rng(0).normal(MEAN, STD, (500, 2))
    mean, std = targets.mean(axis=0).tolist(), targets.std(axis=0).tolist()
    answers = regression.predictions(np.zeros((500, 2)), mean, std)
    figures = regression.scores(answers, targets, mean, std)
    assert figures["standardised_mse"].mean() == pytest.approx(1)
