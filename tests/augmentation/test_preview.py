"""The augment stage's preview: stored images beside draws, and how far each transform moves."""

from pathlib import Path

import albumentations as A
import numpy as np
import pytest

from pipeline.augmentation import statistics
from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.freeze import freeze
from pipeline.augmentation.policy import Augmenter
from pipeline.augmentation.preview import CELL_PX, GAP_PX, MAX_ROWS, preview, save_png
from pipeline.core.component import schema
from pipeline.images.packed import Packed

SHAPE = (16, 16, 3)


def frozen(name: str, shape: tuple[int, ...] = SHAPE, **settings: object) -> dict:
    policy = schema("policy", name).model_validate({"name": name, **settings})
    return freeze(policy, shape, online=True, mixing=None)


def train_of(targets: np.ndarray, shape: tuple[int, ...] = SHAPE) -> Packed:
    images = np.random.default_rng(0).integers(0, 256, (len(targets), *shape), np.uint8)
    ids = np.array([f"scan {i}" for i in range(len(targets))])
    return Packed(images, targets, ids, np.full(len(targets), -1))


def cell(page: np.ndarray, train: Packed, row: int, column: int) -> np.ndarray:
    """Return the pixels of one cell, scaled back to the image's own size."""
    factor = CELL_PX // train.images.shape[1]
    top = page.shape[0] - (len(np.unique(train.targets)) - row) * (CELL_PX + GAP_PX)
    right = page.shape[1] - (3 - column) * (CELL_PX + GAP_PX)
    return page[top : top + CELL_PX : factor, right : right + CELL_PX : factor]


def test_a_row_a_class_the_stored_image_first() -> None:
    train = train_of(np.array([2, 0, 1, 0, 2]))
    page = np.asarray(preview(train, ("a", "b", "c"), Augmenter(frozen("none"), 0), num_draws=2))
    for row, sample in enumerate([1, 2, 0]):
        for column in range(3):
            np.testing.assert_array_equal(cell(page, train, row, column), train.images[sample])


def test_draws_are_those_of_the_first_epochs() -> None:
    train, augmenter = train_of(np.arange(3)), Augmenter(frozen("crop_flip"), 0)
    page = np.asarray(preview(train, ("a", "b", "c"), augmenter, num_draws=2))
    keys = sample_keys(train.ids)
    for epoch in range(2):
        drawn = augmenter(np.asarray(train.images), epoch, keys)
        for row in range(3):
            np.testing.assert_array_equal(cell(page, train, row, epoch + 1), drawn[row])


@pytest.mark.parametrize("shape", [(8, 8, 1), (30, 20, 1), (300, 200, 3)])
@pytest.mark.parametrize(
    "targets",
    [np.arange(30), np.zeros((30, 2), bool), np.zeros((30, 1), np.float32), np.array([0])],
    ids=["classes", "labels", "values", "one image"],
)
def test_any_images_and_targets_fit_the_page(
    shape: tuple[int, ...], targets: np.ndarray, tmp_path: Path
) -> None:
    names = tuple(f"a class with the number {i}" for i in range(30))
    augmenter = Augmenter(frozen("crop_flip", shape, crop_px=6), 0)
    page = preview(train_of(targets, shape), names, augmenter, num_draws=1)
    assert page.height < (min(len(targets), MAX_ROWS) + 1) * (CELL_PX + GAP_PX)
    for file in ("a.png", "b.png"):
        save_png(tmp_path / file, page)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_statistics_tell_each_transform_alone_and_always() -> None:
    """A mirrored ramp moves by the mean distance of two columns, whatever the probability."""
    images = np.tile(np.arange(16, dtype=np.uint8)[:, None], (4, 16, 1, 3))
    flip, pad, crop = A.HorizontalFlip(p=0.25), A.Pad(2, p=1.0), A.RandomCrop(16, 16, p=1.0)
    policy = A.to_dict(A.Compose([flip, pad, crop]))
    keys = sample_keys(np.arange(4))
    messages = statistics.per_transform(images, keys, policy)
    assert [t["name"] for t in messages] == ["HorizontalFlip", "Pad", "RandomCrop"]
    assert [t["probability"] for t in messages] == [0.25, 1.0, 1.0]
    assert messages[0]["mean_pixel_change"] == np.abs(np.arange(16) - np.arange(16)[::-1]).mean()
    assert messages[1]["mean_pixel_change"] == 0
    assert messages[1]["settings"]["padding"] == 2
    assert messages[2]["mean_pixel_change"] > 0


def probabilities(*transforms: object) -> list[float]:
    tree = A.to_dict(A.Compose(transforms))["transform"]
    return [p for _, p in statistics.leaves(tree, 1.0)]


def test_probabilities_multiply_through_groups() -> None:
    half, quarter = A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.25)
    assert probabilities(A.OneOf([half, quarter], p=0.3)) == pytest.approx([0.2, 0.1])
    assert probabilities(A.SomeOf([half, quarter], n=1, p=0.5)) == [0.125, 0.0625]
    assert probabilities(A.Sequential([half, quarter], p=0.5)) == [0.25, 0.125]
    twice = A.RandomOrder([A.NoOp(p=1.0), A.NoOp(p=1.0)], n=2, replace=True, p=1.0)
    assert probabilities(twice) == [0.75, 0.75]


def test_change_is_compared_around_the_centre() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 1), np.uint8)
    assert statistics.pixel_change(images, images[:, 2:7, 2:7]) == 0
    assert statistics.pixel_change(images, 255 - images) > 50


def test_the_rate_counts_images() -> None:
    images, keys = train_of(np.arange(8)).images[:], sample_keys(np.arange(8))
    assert statistics.images_per_second(Augmenter(frozen("none"), 0), images, keys, 0.01) > 8


@pytest.mark.parametrize("num", [1, 3, 256, 257, 100_000])
def test_measured_rows_are_spread_over_train(num: int) -> None:
    rows = statistics.sample(num, (28, 28, 1))
    assert len(np.unique(rows)) == min(num, 256)
    assert rows[0] == 0
    assert rows[-1] >= num - 1 - num // 256
