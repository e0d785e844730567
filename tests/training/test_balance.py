"""Weights, adjusted logits and resampling: their formulas, and what an epoch then holds."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, softmax

from pipeline.config.training import Training
from pipeline.training.balance import BETA, Balance, class_weights, counts, drawn, resampled

COUNTS = arrays(np.int64, st.integers(1, 6), elements=st.integers(1, 5000))
RULES = ["inverse", "inverse_sqrt", "effective"]
SETTINGS = [
    {"logit_adjustment": 1.0},
    {"class_weights": "inverse_sqrt"},
    {"sampling": "square_root"},
    {"logit_adjustment": 1.0, "sampling": "square_root", "resampling": "under"},
    {"logit_adjustment": 1.0, "class_weights": "effective", "sampling": "square_root"},
    {"logit_adjustment": 0.5, "class_weights": "inverse"},
]
TRAIN, VAL = [10_000, 2500, 400], [20, 80, 50]


def balance(settings: dict[str, Any], kind: str = "classes", num_classes: int = 3) -> Balance:
    chosen = Training(epochs=10, batch_size=8, lr=0.1, **settings)
    num_outputs = 1 if num_classes == 2 else num_classes
    return Balance(chosen, kind, TRAIN[:num_classes], VAL[:num_classes], num_outputs)


@pytest.mark.parametrize("rule", RULES)
@given(counts=COUNTS)
def test_weights_have_mean_one_over_the_samples(rule: str, counts: np.ndarray) -> None:
    weights = class_weights(counts, rule)
    assert np.average(weights, weights=counts) == pytest.approx(1)
    order = np.argsort(counts, kind="stable")
    assert (np.diff(weights[order]) <= 1e-12).all()  # the larger the class, the lighter


def test_weights_are_their_formulas() -> None:
    counts = np.array([100, 400])
    assert np.divide(*class_weights(counts, "inverse")) == pytest.approx(4)
    assert np.divide(*class_weights(counts, "inverse_sqrt")) == pytest.approx(2)
    expected = (1 - BETA**400) / (1 - BETA**100)
    assert np.divide(*class_weights(counts, "effective")) == pytest.approx(expected)


@pytest.mark.parametrize("rule", RULES)
def test_a_label_has_the_weight_of_a_class_as_large_but_for_the_mean(rule: str) -> None:
    by_class = balance({"class_weights": rule}).weights(0)
    by_label = balance({"class_weights": rule}, "labels").weights(0)
    np.testing.assert_allclose(by_class, class_weights(np.array(TRAIN), rule))
    np.testing.assert_allclose(np.divide(by_label, by_label[0]), np.divide(by_class, by_class[0]))
    assert np.mean(by_label) == pytest.approx(1)
    assert np.average(by_class, weights=TRAIN) == pytest.approx(1)


def test_images_are_counted_by_class_and_by_label() -> None:
    classes = np.repeat([0, 1, 3], [5, 2, 1])
    assert counts(classes, 4) == [5, 2, 0, 1]
    assert counts(classes[:, None] >= [0, 1, 3], 3) == [8, 3, 1]
    assert counts(np.zeros((8, 2)), 2) == []


def test_weights_begin_after_a_share_of_the_epochs() -> None:
    late = balance({"class_weights": "inverse", "class_weights_start": 0.8})
    assert [late.weights(epoch) is None for epoch in range(10)] == [True] * 8 + [False] * 2
    assert late.first_epoch == 8
    assert late.weights(9) == balance({"class_weights": "inverse"}).weights(0)


def test_an_empty_class_has_no_weight() -> None:
    with pytest.raises(ValueError, match=r"a class without images.*\[3, 0\]"):
        class_weights(np.array([3, 0]), "inverse")


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_network_that_minimises_the_loss_is_corrected_to_the_shares_of_val(
    settings: dict[str, Any], num_classes: int
) -> None:
    """On four kinds of images with known frequencies in each class, where the minimum is known."""
    own = balance(settings, num_classes=num_classes)
    likelihood = np.random.default_rng(0).dirichlet(np.ones(4), num_classes)  # of an image
    shown = resampled(np.array(own.train), own.settings.sampling, own.settings.resampling)
    weights = np.array(own.weights(0) or np.ones(num_classes))
    masses = torch.tensor(likelihood.T * shown * weights)
    offset = torch.tensor(own.loss_offset(0) or [0.0] * own.num_outputs).double()

    logits = torch.zeros(4, own.num_outputs, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=500, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        log_p = torch.log_softmax(_both(logits + offset), dim=1)
        loss = -(masses / masses.sum() * log_p).sum()
        loss.backward()
        return loss

    for _ in range(5):
        optimiser.step(step)
    learned = logits.detach()
    if own.settings.logit_adjustment == 1:  # as if all classes were equally common
        even = likelihood.T / likelihood.T.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(softmax(_both(learned), axis=1), even, atol=1e-4)
    val = likelihood.T * (np.array(own.val) + 0.5)
    corrected = log_softmax(_both(learned + torch.tensor(own.val_offset(0))), axis=1)
    np.testing.assert_allclose(np.exp(corrected), val / val.sum(axis=1, keepdims=True), atol=1e-4)


def _both(logits: torch.Tensor) -> torch.Tensor:
    """Return a logit for each class, where one logit distinguishes two."""
    if logits.shape[1] > 1:
        return logits
    return torch.cat([torch.zeros_like(logits), logits], dim=1)


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
def test_without_settings_nothing_is_shifted(kind: str) -> None:
    plain = balance({}, kind)
    assert plain.weights(0) is None
    assert plain.loss_offset(0) is None
    assert plain.val_offset(0).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("sampling", "resampling", "expected"),
    [
        ("natural", "over", [100, 25, 4]),
        ("natural", "under", [100, 25, 4]),
        ("balanced", "over", [100, 100, 100]),
        ("balanced", "under", [4, 4, 4]),
        ("square_root", "over", [100, 50, 20]),
        ("square_root", "under", [20, 10, 4]),
    ],
)
def test_an_epoch_holds_the_shares(sampling: str, resampling: str, expected: list[int]) -> None:
    counts = np.array([100, 25, 4])
    assert resampled(counts, sampling, resampling).tolist() == expected


@given(num=st.integers(1, 30), wanted=st.integers(1, 100), seed=st.integers(0, 99))
def test_no_sample_is_drawn_twice_more_than_another(num: int, wanted: int, seed: int) -> None:
    rows, copies = drawn(num, wanted, np.random.default_rng(seed))
    assert len(rows) == len(copies) == wanted
    times = np.bincount(rows, minlength=num)
    assert times.max() - times.min() <= 1
    assert len(set(zip(rows.tolist(), copies.tolist(), strict=True))) == wanted
    assert copies.max() == times.max() - 1
