"""Duplicates: the fast search finds what a comparison of every pair would find."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.preprocessing import duplicates
from pipeline.preprocessing.duplicates import digests, equal_pairs, near_pairs, thumbnails, units

NONE_EQUAL = np.empty((0, 2), np.int64)
DISTANCE = 0.1


def scenes(num: int, side: int, channels: int, seed: int) -> np.ndarray:
    """Smooth random pictures with the spectrum of photographs, and a few hard edges."""
    random = np.random.default_rng(seed)
    made = np.zeros((num, side, side, channels))
    for picture in made:
        for octave in range(1, 6):
            waves = random.normal(size=(2**octave, 2**octave, channels)) * 0.6**octave
            picture[:] += cv2.resize(waves, (side, side)).reshape(picture.shape)
        row, column = random.integers(0, side // 2, 2)
        picture[row : row + side // 3, column : column + side // 3] += random.normal()
    made -= made.min(axis=(1, 2, 3), keepdims=True)
    return (made / made.max(axis=(1, 2, 3), keepdims=True) * 190 + 20).astype(np.uint8)


def compared(thumbs: np.ndarray) -> np.ndarray:
    """Compute the distance of every pair from the definition: √(2 − 2 × correlation)."""
    flat = thumbs.reshape(len(thumbs), -1).astype(float)
    return np.sqrt(np.maximum(2 - 2 * np.corrcoef(flat), 0))


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    return np.array_equal(first[:, None] == first, second[:, None] == second)


def reached(adjacent: np.ndarray) -> np.ndarray:
    """Return the component of each node, by walking from every one of them."""
    component = np.full(len(adjacent), -1)
    for start in range(len(adjacent)):
        todo = [start] if component[start] < 0 else []
        while todo:
            node = todo.pop()
            component[node] = start
            todo += np.flatnonzero(adjacent[node] & (component < 0)).tolist()
    return component


def test_a_thumbnail_is_the_mean_over_areas() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 128, 64, 3), dtype=np.uint8)
    means = images.reshape(3, 32, 4, 32, 2, 3).mean(axis=(2, 4))
    assert thumbnails(images).shape == (3, 32, 32, 3)
    assert np.abs(thumbnails(images) - means).max() <= 0.51


@pytest.mark.parametrize("shape", [(28, 28, 1), (1, 5, 3), (32, 32, 1)])
def test_a_small_image_is_its_own_thumbnail(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    np.testing.assert_array_equal(thumbnails(images), images)


def test_a_side_that_is_short_is_not_made_longer() -> None:
    assert thumbnails(np.zeros((2, 100, 20, 1), np.uint8)).shape == (2, 32, 20, 1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_equal_images_and_no_others_are_connected(contents: list[int]) -> None:
    images = np.array(contents, np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    pairs = equal_pairs(digests(images))
    assert same_partition(units(len(images), pairs, None), np.array(contents))
    assert len(pairs) == len(contents) - len(set(contents))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    channels=st.sampled_from([1, 3]),
    noise=st.floats(0, 12),
    distance=st.sampled_from([0.0, 0.02, 0.1, 0.3]),
    chunk=st.sampled_from([1, 7, 2**16]),
)
def test_the_search_misses_nothing_and_adds_nothing(
    seed: int, channels: int, noise: float, distance: float, chunk: int
) -> None:
    random = np.random.default_rng(seed)
    originals = scenes(12, 24, channels, seed)
    copies = originals[random.integers(0, 12, 25)] + random.normal(0, noise, (25, 24, 24, channels))
    thumbs = np.concatenate([originals, np.clip(copies.round(), 0, 255).astype(np.uint8)])
    exact = compared(thumbs)
    assume(distance == 0 or (np.abs(exact - distance) > 1e-5).all())  # float32 may round either way
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "CANDIDATES", chunk)
        pairs = near_pairs(thumbs, distance, NONE_EQUAL)
    adjacent = exact <= max(distance, 1e-5)
    assert adjacent[pairs[:, 0], pairs[:, 1]].all()
    assert same_partition(units(len(thumbs), pairs, None), reached(adjacent))
    assert len(pairs) == len(thumbs) - len(set(reached(adjacent)))  # a forest


def test_brightness_and_contrast_do_not_count() -> None:
    original = scenes(1, 32, 3, 0) // 3
    pairs = near_pairs(np.concatenate([original, original * 2 + 40]), 0.0001, NONE_EQUAL)
    np.testing.assert_array_equal(pairs, [[0, 1]])


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_a_recompressed_photograph_is_found_and_another_is_not(quality: int) -> None:
    photographs = scenes(20, 160, 3, 1)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    encoded = [cv2.imencode(".jpg", photograph, options)[1] for photograph in photographs]
    copies = np.stack([cv2.imdecode(one, cv2.IMREAD_COLOR) for one in encoded])
    pairs = near_pairs(thumbnails(np.concatenate([photographs, copies])), DISTANCE, NONE_EQUAL)
    np.testing.assert_array_equal(sorted(pairs.tolist()), [[i, i + 20] for i in range(20)])


def test_a_photograph_that_was_made_smaller_is_found() -> None:
    photographs = scenes(20, 160, 3, 2)
    small = np.stack([cv2.resize(cv2.resize(p, (80, 80)), (160, 160)) for p in photographs])
    pairs = near_pairs(thumbnails(np.concatenate([photographs, small])), DISTANCE, NONE_EQUAL)
    np.testing.assert_array_equal(sorted(pairs.tolist()), [[i, i + 20] for i in range(20)])


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_flat_image_is_near_to_nothing(noise: float) -> None:
    random = np.random.default_rng(0)
    flat = random.normal(128, noise, (1, 16, 16, 1)).repeat(5, axis=0).round().astype(np.uint8)
    assert len(near_pairs(flat, 0.5, NONE_EQUAL)) == 0


def test_of_equal_images_only_the_first_is_looked_at() -> None:
    original = scenes(1, 32, 1, 0)
    images = np.concatenate([original, original, original + np.uint8(3), original])
    equal = equal_pairs(digests(images))
    np.testing.assert_array_equal(equal, [[0, 1], [0, 3]])
    np.testing.assert_array_equal(near_pairs(thumbnails(images), DISTANCE, equal), [[0, 2]])


@pytest.mark.parametrize("shape", [(0, 8, 8, 1), (1, 8, 8, 3), (6, 1, 1, 1), (2, 8, 8, 1)])
def test_few_and_tiny_images_have_no_near_duplicates(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert near_pairs(thumbnails(images), DISTANCE, NONE_EQUAL).shape == (0, 2)


def test_a_crowd_of_near_duplicates_is_connected_by_one_pair_less_than_it_has_members() -> None:
    random = np.random.default_rng(0)
    frames = scenes(1, 28, 1, 0) + random.normal(0, 1, (1500, 28, 28, 1))
    pairs = near_pairs(np.clip(frames, 0, 255).astype(np.uint8), DISTANCE, NONE_EQUAL)
    assert len(pairs) == 1499
    assert units(1500, pairs, None).max() == 0


@given(
    pairs=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=12),
    groups=st.lists(st.sampled_from(["", "", "a", "b", "c"]), min_size=20, max_size=20),
)
def test_a_unit_is_what_pairs_and_groups_connect(
    pairs: list[tuple[int, int]], groups: list[str]
) -> None:
    adjacent = np.array([[a == b and a != "" for a in groups] for b in groups])
    for first, second in pairs:
        adjacent[first, second] = adjacent[second, first] = True
    found = units(20, np.array(pairs, np.int64).reshape(-1, 2), groups)
    assert same_partition(found, reached(adjacent))
    assert set(found) == set(range(found.max() + 1))
