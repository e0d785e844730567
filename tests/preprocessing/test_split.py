"""Splits: a partition, stratified, and the same whatever the order of the source."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.preprocessing.split import SPLITS, split

SIZES = st.lists(st.integers(3, 60), min_size=2, max_size=6)
FRACTIONS = st.floats(0.05, 0.45)


def labels(sizes: list[int]) -> tuple[np.ndarray, list[str], list[str]]:
    targets = np.repeat(np.arange(len(sizes)), sizes)
    return (
        targets,
        [f"image {i}" for i in range(len(targets))],
        [f"c{k}" for k in range(len(sizes))],
    )


@given(sizes=SIZES, val=FRACTIONS, test=FRACTIONS, seed=st.integers(0, 1000))
def test_every_image_is_in_one_split_and_every_class_in_each(
    sizes: list[int], val: float, test: float, seed: int
) -> None:
    targets, ids, classes = labels(sizes)
    rows = split(targets, ids, classes, None, val_fraction=val, test_fraction=test, seed=seed)
    together = np.concatenate([rows[name] for name in SPLITS])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(ids)))
    for label, size in enumerate(sizes):
        in_test = int((targets[rows["test"]] == label).sum())
        in_val = int((targets[rows["val"]] == label).sum())
        assert in_test == max(1, round(size * test))
        assert abs(in_val - size * val) <= 1.5
        if val + test < 0.8:
            assert in_test + in_val < size


@given(sizes=SIZES, seed=st.integers(0, 1000), shuffle=st.randoms())
def test_the_order_of_the_source_does_not_matter(sizes: list[int], seed: int, shuffle) -> None:
    targets, ids, classes = labels(sizes)
    order = list(range(len(ids)))
    shuffle.shuffle(order)
    options = {"val_fraction": 0.2, "test_fraction": 0.2, "seed": seed}
    plain = split(targets, ids, classes, None, **options)
    mixed = split(targets[order], [ids[i] for i in order], classes, None, **options)
    for name in SPLITS:
        assert {ids[i] for i in plain[name]} == {ids[order[i]] for i in mixed[name]}


def test_seeds_differ() -> None:
    targets, ids, classes = labels([50, 50])
    options = {"val_fraction": 0.2, "test_fraction": 0.2}
    first = split(targets, ids, classes, None, **options, seed=0)
    second = split(targets, ids, classes, None, **options, seed=1)
    assert set(first["test"]) != set(second["test"])


def test_a_test_split_that_is_brought_is_kept() -> None:
    targets, ids, classes = labels([20, 20])
    in_test = np.arange(40) % 4 == 0
    rows = split(targets, ids, classes, in_test, val_fraction=0.2, test_fraction=None, seed=0)
    np.testing.assert_array_equal(rows["test"], np.flatnonzero(in_test))
    assert len(rows["val"]) == 6  # a fifth of each class's 15


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_class_with_too_few_images_is_named(size: int) -> None:
    targets, ids, classes = labels([10, size])
    with pytest.raises(UserError, match=rf"class 'c1' has {size} images for train, val and test"):
        split(targets, ids, classes, None, val_fraction=0.2, test_fraction=0.2, seed=0)


def test_a_class_that_the_brought_test_lacks_is_named() -> None:
    targets, ids, classes = labels([10, 10])
    in_test = np.arange(20) < 3
    with pytest.raises(UserError, match="class 'c1' has 0 images for test"):
        split(targets, ids, classes, in_test, val_fraction=0.2, test_fraction=None, seed=0)
