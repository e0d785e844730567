"""Every calibrator, on predictions whose best correction is known."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import log_softmax

from pipeline.core.component import load, make, names, schema
from pipeline.core.kind import Kind
from pipeline.ensembling.truth import Truth
from tests.conftest import ROOT
from tests.ensembling.pools import SCALE, cases, prediction_type

FITTED = [n for n in names("calibrator") if n != "none"]
CASES = cases("calibrator")


def calibrated(kind: Kind, size: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return perfectly calibrated predictions, and targets drawn from them."""
    rng = np.random.default_rng(seed)
    if kind == "classes":
        made = log_softmax(rng.normal(size=(size, 4)) * 2, axis=1)
        return made, (rng.random((size, 1)) > np.exp(made).cumsum(axis=1)).sum(axis=1)
    if kind == "labels":
        logits = rng.normal(size=(size, 3)) * 2
        made = -np.logaddexp(0, np.stack([logits, -logits], axis=-1))
        return made, rng.random(logits.shape) < np.exp(made[..., 1])
    values = rng.normal(size=(size, 2)) * SCALE[1] + SCALE[0]
    return values, values + rng.normal(size=(size, 2)) * 0.1


def fitted(name: str, kind: Kind, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    own = make("calibrator", name)
    module = load("calibrator", own)
    states = prediction_type(kind).fit(module, own, predictions, Truth.plain(targets))
    return prediction_type(kind).apply(module, states, predictions)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_calibrated_set_stays_as_it_is(name: str, kind: Kind) -> None:
    predictions, targets = calibrated(kind)
    made = fitted(name, kind, predictions, targets)
    assert made.shape == predictions.shape
    if kind == "values":
        np.testing.assert_allclose(made, predictions, atol=0.02)
    else:
        assert np.abs(np.exp(made) - np.exp(predictions)).max() < 0.03


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_it_never_fits_worse_than_it_found(name: str, kind: Kind) -> None:
    predictions, targets = calibrated(kind, 300)
    other = predictions * 1.7 if kind == "values" else overconfident(predictions, 2.5)
    losses = prediction_type(kind).losses
    after = losses(fitted(name, kind, other, targets), targets).mean()
    assert after <= losses(other, targets).mean() + 1e-9


def overconfident(log_probs: np.ndarray, factor: float) -> np.ndarray:
    return log_softmax(log_probs * factor, axis=-1)


@pytest.mark.parametrize("kind", ["classes", "labels"])
@pytest.mark.parametrize("factor", [0.4, 3.0])
def test_the_temperature_is_what_was_done_to_them(kind: Kind, factor: float) -> None:
    predictions, targets = calibrated(kind)
    own = make("calibrator", "temperature")
    module = load("calibrator", own)
    states = prediction_type(kind).fit(
        module, own, overconfident(predictions, factor), Truth.plain(targets)
    )
    assert states[0]["temperature"] == pytest.approx(factor, rel=0.05)


def test_a_temperature_leaves_every_answer() -> None:
    predictions, targets = calibrated("classes", 500)
    made = fitted("temperature", "classes", overconfident(predictions, 3.0), targets)
    np.testing.assert_array_equal(made.argmax(axis=1), predictions.argmax(axis=1))


def test_vector_finds_a_shift_of_one_class() -> None:
    predictions, targets = calibrated("classes")
    shifted = log_softmax(predictions + np.array([1.5, 0, 0, 0]), axis=1)
    made = fitted("vector", "classes", shifted, targets)
    assert np.abs(np.exp(made) - np.exp(predictions)).max() < 0.03


def test_vector_is_a_line_for_values() -> None:
    truth = np.linspace(-1, 1, 50)[:, None] * SCALE[1] + SCALE[0]
    made = fitted("vector", "values", truth * 3 + 7, truth)
    np.testing.assert_allclose(made, truth, atol=1e-9)


def test_values_that_say_nothing_become_the_mean() -> None:
    truth = np.random.default_rng(0).normal(size=(40, 2)) * SCALE[1] + SCALE[0]
    made = fitted("vector", "values", np.full_like(truth, 3.0), truth)
    np.testing.assert_allclose(made, np.broadcast_to(truth.mean(axis=0), truth.shape), atol=1e-9)


@pytest.mark.parametrize("name", FITTED)
def test_a_class_without_a_sample_stays_finite(name: str) -> None:
    predictions, targets = calibrated("classes", 200)
    made = fitted(name, "classes", predictions[targets != 2], targets[targets != 2])
    assert np.isfinite(made).all()
    np.testing.assert_allclose(np.exp(made).sum(axis=1), 1)


def test_labels_are_scaled_one_by_one() -> None:
    """An overconfident label becomes less confident; its calibrated neighbour is unchanged."""
    predictions, targets = calibrated("labels")
    given = predictions.copy()
    given[:, 0] = overconfident(predictions[:, 0], 3.0)
    made = fitted("vector", "labels", given, targets)
    assert np.abs(np.exp(made) - np.exp(predictions)).max() < 0.03


@pytest.mark.parametrize("name", names("calibrator"))
def test_it_has_the_forms_it_declares(name: str) -> None:
    module = load("calibrator", make("calibrator", name))
    has_values = "identity" in schema("calibrator", name).ACTIVATIONS
    assert hasattr(module, "fit_values") == hasattr(module, "apply_values") == has_values


def test_validation_without_an_error_changes_little() -> None:
    """Without a prior, every prediction would become certain."""
    log_probs = log_softmax(np.tile([5.0, 0.0, 0.0], (360, 1)), axis=1)
    for name in FITTED:
        made = np.exp(fitted(name, "classes", log_probs, np.zeros(360, int)))
        assert 0.985 < np.exp(log_probs[0, 0]) < made[0, 0] < 0.9995


def test_few_samples_that_look_hard_leave_the_others() -> None:
    """31 samples at even odds of their class beside certain ones: T stays above a half."""
    own = make("calibrator", "temperature")
    sure = np.log([[0.98, 0.02]] * 300)
    even = np.log([[0.5, 0.5]] * 31)
    states = load("calibrator", own).fit(
        own, np.concatenate([sure, even]), Truth.plain(np.zeros(331, int))
    )
    assert 0.5 < states["temperature"] < 1


def test_the_chosen_calibrator_is_near_the_best_and_never_far_from_none() -> None:
    """Over 1,000 problems with few errors, or few samples; bench/calibration.py has more."""
    code = (
        "from itertools import islice\n"
        "from bench.calibration import problems, ratios\n"
        "for one in islice(problems(sizes=(100, 360)), 1024): print(*ratios(one))"
    )
    command = [sys.executable, "-c", code]  # without checks of annotations: 2.5 times as fast
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    to_best, to_none = np.loadtxt(done.stdout.splitlines()).T
    assert len(to_best) == 1024
    assert to_best.mean() < 1.03
    assert to_none.max() < 1.5
