"""Offline copies: the requested number, linked to their originals, never redrawn in training."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.augmentation import offline
from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.freeze import freeze
from pipeline.augmentation.offline import EPOCH, materialise, num_copies
from pipeline.augmentation.policy import Augmenter
from pipeline.core.component import schema
from pipeline.core.errors import UserError
from pipeline.images.packed import Packed

SHAPE = (8, 8, 1)


def augmenter(**settings: object) -> Augmenter:
    policy = schema("policy", "crop_flip").model_validate({"name": "crop_flip", **settings})
    return Augmenter(freeze(policy, SHAPE, online=True, mixing=None), seed=0)


def train_of(targets: list[int]) -> Packed:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(targets), *SHAPE), np.uint8)
    ids = np.array([f"scan {i}" for i in range(len(targets))])
    return Packed(images, np.array(targets), ids, np.arange(len(targets)) % 3 - 1)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 5))
def test_minorities_grow_to_the_largest_class_as_far_as_copies_go(
    targets: list[int], copies: int
) -> None:
    num = num_copies(np.array(targets), copies, minority_only=True)
    counts = np.bincount(targets)
    for target in set(targets):
        given_to = num[np.array(targets) == target]
        size = counts[target]
        assert size + given_to.sum() == min(counts.max(), size * (1 + copies))
        assert given_to.max() - given_to.min() <= 1
        assert given_to.max() <= copies


def test_every_sample_gets_all_its_copies_without_minority_only() -> None:
    np.testing.assert_array_equal(num_copies(np.array([0, 0, 1]), 3, False), [3, 3, 3])
    np.testing.assert_array_equal(num_copies(np.zeros((2, 4), bool), 2, False), [2, 2])


def test_minorities_need_classes() -> None:
    with pytest.raises(UserError, match="minority_only: got true; allowed only where each"):
        num_copies(np.zeros((2, 4), bool), 2, minority_only=True)


def test_copies_are_tied_to_their_origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "BLOCK_BYTES", 3 * 64)
    train, made = train_of([0, 1, 0, 1, 2]), augmenter()
    materialise(train, made, np.array([2, 0, 1, 3, 1]), tmp_path / "copies")
    copies = Packed.open(tmp_path / "copies")
    rows = [0, 0, 2, 3, 3, 3, 4]
    numbers = np.array([1, 2, 1, 1, 2, 3, 1])
    assert list(copies.ids) == [f"scan {r}#{k}" for r, k in zip(rows, numbers, strict=True)]
    np.testing.assert_array_equal(copies.targets, train.targets[rows])
    np.testing.assert_array_equal(copies.folds, train.folds[rows])
    np.testing.assert_array_equal(np.load(tmp_path / "copies/origins.npy"), train.ids[rows])
    expected = made(train.images[rows], EPOCH, sample_keys(train.ids[rows]), numbers)
    np.testing.assert_array_equal(copies.images[:], expected)
    assert len(np.unique(copies.images[3:6].reshape(3, -1), axis=0)) == 3
    assert EPOCH < 0, "training counts its epochs from 0"


def test_no_copies_are_empty_arrays_even_where_the_policy_crops(tmp_path: Path) -> None:
    train = train_of([0, 1])
    materialise(train, augmenter(crop_px=4), np.array([0, 0]), tmp_path)
    copies = Packed.open(tmp_path)
    assert len(copies.ids) == 0
    assert copies.images.shape == (0, *SHAPE)
    joined = train.join(copies)
    np.testing.assert_array_equal(joined.ids, train.ids)


def test_copies_of_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"turns images of 8×8×1 into 4×4×1; allowed only where"):
        materialise(train_of([0]), augmenter(crop_px=4), np.array([1]), tmp_path)


def test_an_id_that_a_copy_would_have_is_refused(tmp_path: Path) -> None:
    train = train_of([0, 1])._replace(ids=np.array(["a", "a#1"]))
    with pytest.raises(UserError, match="sample a#1: an augmented copy would have the same id"):
        materialise(train, augmenter(), np.array([1, 0]), tmp_path)
