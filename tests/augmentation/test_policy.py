"""Every policy can be frozen, and depends on (seed, epoch, id, copy) alone."""

import json
import warnings

import albumentations as A
import numpy as np
import pytest

from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.freeze import freeze, policy_of
from pipeline.augmentation.policy import Augmenter
from pipeline.augmentation.probe import probe
from pipeline.core.component import Component, names, schema
from pipeline.core.errors import UserError

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 24, 3), (256, 256, 3)]
POLICIES = names("policy")
SETTINGS = {"custom": {"transforms": ({"name": "Affine", "rotate": (-9, 9), "p": 1.0},)}}


def policy(name: str, **settings: object) -> Component:
    return schema("policy", name).model_validate(
        {"name": name, **SETTINGS.get(name, {}), **settings}
    )


def augmenter(
    chosen: Component, shape: tuple[int, ...], seed: int = 0, online: bool = True
) -> Augmenter:
    frozen = freeze(chosen, shape, online=online, mixing=None)
    return Augmenter(json.loads(json.dumps(frozen)), seed)


def of_transforms(*transforms: A.BasicTransform, shape: tuple[int, ...]) -> Augmenter:
    frozen = {"policy": A.to_dict(A.Compose(transforms)), "online": True}
    return Augmenter({**frozen, "image_shape": shape, "output_shape": shape}, seed=0)


def samples(shape: tuple[int, ...], num: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Blurred noise: images with edges and gradients, none of them constant."""
    noise = np.random.default_rng(0).integers(0, 256, (num, *shape), np.uint8)
    images = np.sort(noise, axis=2)
    return images, sample_keys(np.array([f"sample {i}" for i in range(num)]))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", POLICIES)
def test_shape_and_type_stay_and_the_input_too(name: str, shape: tuple[int, ...]) -> None:
    images, keys = samples(shape, num=3)
    before = images.copy()
    made = augmenter(policy(name), shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmented = np.concatenate([made(images, epoch, keys) for epoch in range(4)])
    assert augmented.shape[1:] == made.output_shape == shape
    assert augmented.dtype == np.uint8
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", POLICIES)
def test_pixels_do_not_depend_on_the_batch_or_on_the_past(name: str) -> None:
    images, keys = samples((16, 16, 3))
    copies = np.array([0, 1, 2, 0, 1, 2])
    whole = augmenter(policy(name), (16, 16, 3))(images, 3, keys, copies)
    used = augmenter(policy(name), (16, 16, 3))
    used(images, 1, keys)
    for i in reversed(range(len(keys))):
        one = slice(i, i + 1)
        alone = used(images[one], 3, keys[one], copies[one])[0]
        np.testing.assert_array_equal(alone, whole[i])


@pytest.mark.parametrize("name", [p for p in POLICIES if p != "none"])
def test_epochs_seeds_samples_and_copies_differ(name: str) -> None:
    images, keys = samples((16, 16, 3), num=12)
    images[:] = images[0]
    made = augmenter(policy(name), (16, 16, 3))
    first = made(images, 0, keys)
    assert (first != made(images, 1, keys)).any()
    assert (first != made(images, -1, keys)).any()
    assert (first != made(images, 0, keys, np.ones(12, np.int64))).any()
    assert (first != augmenter(policy(name), (16, 16, 3), seed=1)(images, 0, keys)).any()
    assert len(np.unique(first.reshape(len(keys), -1), axis=0)) > len(keys) // 2
    np.testing.assert_array_equal(first, made(images, 0, keys, np.zeros(12, np.int64)))


@pytest.mark.parametrize("name", POLICIES)
def test_freezing_is_albumentations_own(name: str) -> None:
    frozen = freeze(policy(name), (28, 28, 1), online=True, mixing=None)
    assert json.loads(json.dumps(A.to_dict(A.from_dict(frozen["policy"])))) == frozen["policy"]


def test_freezing_twice_is_the_same_and_keeps_the_mixing() -> None:
    mixing = {"mixup_alpha": 0.2, "cutmix_alpha": None, "probability": 0.5}
    first, second = (
        freeze(policy("light"), (28, 28, 1), online=True, mixing=mixing) for _ in range(2)
    )
    assert first == second
    assert first["mixing"] == mixing
    assert first["output_shape"] == first["image_shape"] == [28, 28, 1]


@pytest.mark.parametrize("shape", [(8, 8, 1), (16, 16, 3)])
def test_nothing_changes_without_a_policy_or_offline(shape: tuple[int, ...]) -> None:
    images, keys = samples(shape)
    assert augmenter(policy("none"), shape)(images, 0, keys) is images
    offline = augmenter(policy("crop_flip", crop_px=4), shape, online=False)
    assert offline(images, 0, keys) is images
    assert offline.output_shape == shape


def test_a_crop_gives_images_of_its_own_size() -> None:
    images, keys = samples((40, 30, 3))
    made = augmenter(policy("crop_flip", crop_px=24, pad_px=0), (40, 30, 3))
    assert made.plan
    assert made.output_shape == (24, 24, 3)
    assert made(images, 0, keys).shape == (6, 24, 24, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_px": 33, "pad_px": 0}, "crop_px: got 33; allowed at most 32"),
        ({"cutout_px": 33}, "cutout_px: got 33; allowed at most 32"),
        ({"pad_px": 32, "pad_mode": "reflect"}, "pad_px: got 32; allowed at most 31"),
    ],
)
def test_crops_and_holes_larger_than_the_image_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        freeze(policy("crop_flip", **settings), (32, 40, 3), online=True, mixing=None)


def test_the_slow_path_keeps_grey_and_draws_transforms_independently() -> None:
    """Seeding each transform alike would apply both or neither."""
    size = 400
    image = np.zeros((size, 2, 2, 1), np.uint8)
    image[:, 0, 0] = 255
    made = of_transforms(A.Transpose(p=0.0), A.HorizontalFlip(), A.VerticalFlip(), shape=(2, 2, 1))
    assert made.plan is None
    augmented = made(image, 0, sample_keys(np.arange(size)))
    assert augmented.shape == image.shape
    corners = augmented.reshape(size, 4).argmax(axis=1)
    assert np.bincount(corners, minlength=4).min() > size / 4 - 4 * np.sqrt(size * 3 / 16)


@pytest.mark.parametrize("group", [A.OneOf, A.SomeOf, A.RandomOrder])
def test_groups_choose_by_the_samples_own_generator(group: type[A.OneOf]) -> None:
    """All branches occur, and each sample's choice is the same alone and in a batch."""
    flips = [A.HorizontalFlip(p=1.0), A.VerticalFlip(p=1.0), A.Transpose(p=1.0)]
    images = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1).repeat(60, axis=0)
    keys = sample_keys(np.arange(60))
    whole = of_transforms(group(flips, p=1.0), shape=(2, 2, 1))(images, 0, keys)
    assert len(np.unique(whole.reshape(60, 4), axis=0)) == 3
    alone = [
        of_transforms(group(flips, p=1.0), shape=(2, 2, 1))(images[:1], 0, keys[i : i + 1])[0]
        for i in range(60)
    ]
    np.testing.assert_array_equal(whole, alone)


def test_pixels_other_than_uint8_are_refused() -> None:
    with pytest.raises(UserError, match="returns float32 pixels; allowed uint8"):
        probe(A.Compose([A.Normalize()]), "mine", (8, 8, 3))


def test_an_image_of_another_size_than_frozen_is_refused() -> None:
    made = of_transforms(A.RandomCrop(4, 4, p=0.5), A.Blur(p=0.0), shape=(8, 8, 1))
    images, keys = samples((8, 8, 1), num=20)
    with pytest.raises(UserError, match="4×4×1 and 8×8×1; allowed one size"):
        made(images, 0, keys)


def test_a_recipe_s_own_policy_takes_the_place_of_the_stored_one() -> None:
    mixing = {"mixup_alpha": 0.2, "cutmix_alpha": None, "probability": 1.0}
    stored = freeze(policy("crop_flip"), (8, 8, 1), online=False, mixing=mixing)
    assert policy_of(stored, None) is stored
    own = policy_of(stored, policy("crop_flip", crop_px=6))
    assert own == freeze(policy("crop_flip", crop_px=6), (8, 8, 1), online=True, mixing=mixing)
    assert own["output_shape"] == [6, 6, 1]
    with pytest.raises(UserError, match=r"^policy.crop_px: got 99; allowed at most 12, the image"):
        policy_of(stored, policy("crop_flip", crop_px=99))
