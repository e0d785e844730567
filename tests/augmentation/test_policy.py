"""Every policy: keeps the shape, survives being frozen, and depends on (seed, epoch, id) alone."""

import json

import albumentations as A
import numpy as np
import pytest

from pipeline.artifacts import Packed
from pipeline.augmentation.policy import Augmenter, freeze, generators
from pipeline.augmentation.preview import movement, preview
from pipeline.component import names, schema

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 24, 3)]
POLICIES = names("policy")


def images_of(shape: tuple[int, ...], size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (size, *shape), np.uint8)
    return images, np.array([f"sample {i}" for i in range(size)])


def augmenter(name: str, shape: tuple[int, ...], seed: int = 0) -> Augmenter:
    policy = freeze(schema("policy", name)(name=name), shape)
    return Augmenter(json.loads(json.dumps(policy)), seed)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", POLICIES)
def test_shape_and_type_stay_and_the_input_too(name: str, shape: tuple[int, ...]) -> None:
    images, ids = images_of(shape)
    before = images.copy()
    augmented = augmenter(name, shape)(images, 0, ids)
    assert augmented.shape == images.shape
    assert augmented.dtype == np.uint8
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", POLICIES)
def test_pixels_do_not_depend_on_the_batch_or_on_the_past(name: str) -> None:
    images, ids = images_of((16, 16, 3))
    whole = augmenter(name, (16, 16, 3))(images, 3, ids)
    used = augmenter(name, (16, 16, 3))
    used(images, 1, ids)
    for i in reversed(range(len(ids))):
        alone = used(images[i : i + 1], 3, ids[i : i + 1])[0]
        np.testing.assert_array_equal(alone, whole[i])


@pytest.mark.parametrize("name", [p for p in POLICIES if p != "none"])
def test_epochs_seeds_and_samples_differ(name: str) -> None:
    images, ids = images_of((16, 16, 3))
    images[:] = images[0]
    first = augmenter(name, (16, 16, 3))(images, 0, ids)
    assert (first != augmenter(name, (16, 16, 3))(images, 1, ids)).any()
    assert (first != augmenter(name, (16, 16, 3), seed=1)(images, 0, ids)).any()
    assert len(np.unique(first.reshape(len(ids), -1), axis=0)) > len(ids) // 2


@pytest.mark.parametrize("name", POLICIES)
def test_freezing_is_albumentations_own(name: str) -> None:
    policy = freeze(schema("policy", name)(name=name), (28, 28, 1))
    assert A.to_dict(A.from_dict(policy)) == policy


def test_none_changes_nothing() -> None:
    images, ids = images_of((8, 8, 1))
    assert augmenter("none", (8, 8, 1))(images, 0, ids) is images


def test_two_transforms_draw_independently() -> None:
    """Seeding each transform alike would apply both or neither."""
    policy = A.to_dict(A.Compose([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]))
    size = 400
    image = np.zeros((size, 2, 2, 1), np.uint8)
    image[:, 0, 0] = 255
    augmented = Augmenter(policy, 0)(image, 0, np.array([f"{i}" for i in range(size)]))
    corners = augmented.reshape(size, 4).argmax(axis=1)
    assert np.bincount(corners, minlength=4).min() > size / 4 - 4 * np.sqrt(size * 3 / 16)


def test_generators_are_keyed_by_all_three() -> None:
    keys = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"), (0, 11, "a"), (0, 1, "1/a")]
    draws = [generators(*key)[0].integers(2**63) for key in keys]
    assert len(set(draws)) == len(set(keys))
    assert [generators(*key)[0].integers(2**63) for key in keys] == draws


def test_the_preview_shows_originals_first() -> None:
    images, ids = images_of((16, 16, 3), size=9)
    train = Packed(images, np.arange(9) % 3, ids)
    grid = preview(train, augmenter("none", (16, 16, 3)), num_draws=2)
    cell = grid.shape[1] // 3
    np.testing.assert_array_equal(grid[:, :cell], grid[:, cell : 2 * cell])
    np.testing.assert_array_equal(grid[:64:4, :64:4], images[0])
    assert movement(train, augmenter("none", (16, 16, 3))) == 0
    assert movement(train, augmenter("crop_flip", (16, 16, 3))) > 1
