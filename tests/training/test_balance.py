"""Weights and resampling: their formulas, and what an epoch then holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.training.balance import BETA, class_weights, drawn, loss_weights, resampled

COUNTS = arrays(np.int64, st.integers(1, 6), elements=st.integers(1, 5000))
RULES = ["inverse", "inverse_sqrt", "effective"]


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
    classes = np.repeat([0, 1, 2], [100, 400, 50])
    labels = classes[:, None] == np.arange(3)
    by_class, by_label = loss_weights(classes, 3, rule), loss_weights(labels, 3, rule)
    np.testing.assert_allclose(by_class, class_weights(np.array([100, 400, 50]), rule))
    np.testing.assert_allclose(by_label / by_label[0], by_class / by_class[0])
    assert by_label.mean() == pytest.approx(1)
    assert by_class[classes].mean() == pytest.approx(1)


def test_an_empty_class_has_no_weight() -> None:
    with pytest.raises(ValueError, match=r"a class without images.*\[3, 0\]"):
        class_weights(np.array([3, 0]), "inverse")


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
