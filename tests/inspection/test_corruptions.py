"""Corruptions: stronger with severity, and a sample's own."""

from typing import get_args

import numpy as np
import pytest

from pipeline.augmentation.counter import sample_keys
from pipeline.config.evaluation import Corruption
from pipeline.inspection.corruptions import FAMILIES, NUM_SEVERITIES, corrupt

SHAPES = [(8, 8, 1), (28, 28, 1), (96, 64, 3)]


def test_params_name_every_family() -> None:
    assert get_args(Corruption) == tuple(FAMILIES)


def pictures(shape: tuple[int, int, int], num: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Dark and light squares of half the side at random places, and their keys."""
    rng = np.random.default_rng(0)
    images = np.full((num, *shape), 60, np.uint8)
    for image in images:
        half = min(shape[:2]) // 2
        top, left = rng.integers(0, half, 2)
        image[top : top + half, left : left + half] = 190
    return images, sample_keys(np.array([f"{i}" for i in range(num)]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_each_severity_changes_more_than_the_one_before(family: str, shape) -> None:
    images, keys = pictures(shape)
    changes = []
    for severity in range(1, NUM_SEVERITIES + 1):
        made = corrupt(images, family, severity, keys)
        assert made.shape == images.shape
        assert made.dtype == np.uint8
        changes.append(((made.astype(float) - images) ** 2).mean())
    assert changes[0] >= 0
    assert changes[-1] > changes[0]
    assert changes == sorted(changes) or family in ("pixelate", "jpeg"), changes


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_does_not_depend_on_the_others(family: str) -> None:
    images, keys = pictures((16, 16, 3))
    order = np.array([5, 0, 11])
    alone = corrupt(images[order], family, 4, keys[order])
    np.testing.assert_array_equal(alone, corrupt(images, family, 4, keys)[order])


def test_the_noise_is_as_large_as_it_says() -> None:
    grey, keys = np.full((4, 64, 64, 1), 128, np.uint8), sample_keys(np.arange(4))
    made = corrupt(grey, "gaussian_noise", 1, keys)
    assert made.std() == pytest.approx(0.08 * 255, rel=0.03)
    assert not np.array_equal(made[0], made[1])


def test_motion_keeps_the_light_and_follows_a_line() -> None:
    point = np.zeros((1, 65, 65, 1), np.uint8)
    point[0, 32, 32] = 255
    made = corrupt(point, "motion", 5, sample_keys(np.array(["a"])))[0, ..., 0].astype(float)
    assert made.sum() == pytest.approx(255, rel=0.2)
    rows, columns = np.nonzero(made)
    spread = np.linalg.eigvalsh(np.cov(rows, columns, aweights=made[rows, columns]))
    assert spread[1] > 10 * spread[0]


def test_brightness_adds_and_contrast_keeps_the_mean() -> None:
    images, keys = pictures((16, 16, 1))
    brighter = corrupt(images, "brightness", 2, keys).astype(float)
    np.testing.assert_allclose(brighter, images + 0.2 * 255, atol=0.51)
    flatter = corrupt(images, "contrast", 3, keys).astype(float)
    np.testing.assert_allclose(flatter.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=0.51)
    np.testing.assert_allclose(np.ptp(flatter, axis=(1, 2)), 0.2 * 130, atol=1)
