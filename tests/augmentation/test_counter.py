"""Counter-based random numbers: uniform, independent, and keyed by all four inputs."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.augmentation.counter import below, halves, sample_keys, states, word

NUM = 20_000


def streams(seed: int = 0, epoch: int = 0, copy: int = 0) -> np.ndarray:
    keys = sample_keys(np.arange(NUM))
    return states(seed, epoch, keys, np.full(NUM, copy))


def test_words_are_splitmix64() -> None:
    """The published sequence from seed 1234567."""
    start = np.array([1234567], np.uint64)
    assert [int(word(start, i)[0]) for i in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_keys_depend_on_the_id_alone() -> None:
    keys = sample_keys(np.array(["a", "b", "a b", "ä"]))
    assert len(set(keys.tolist())) == 4
    np.testing.assert_array_equal(sample_keys(np.array(["a b", "a"])), keys[[2, 0]])


def test_every_bit_is_fair_and_uncorrelated_with_every_other() -> None:
    """64 bits of two words: all means and all pairwise correlations within 5.5 deviations."""
    words = np.stack([word(streams(), i) for i in range(2)])
    bits = (words[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    signs = bits.transpose(0, 2, 1).reshape(128, NUM) * 2.0 - 1
    sums = signs @ signs.T / np.sqrt(NUM)
    np.fill_diagonal(sums, 0)
    assert np.abs(sums).max() < 5.5
    assert np.abs(signs.sum(axis=1)).max() / np.sqrt(NUM) < 5.5


@pytest.mark.parametrize(
    ("first", "second"),
    itertools.combinations([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1)], 2),
    ids=str,
)
def test_seeds_epochs_and_copies_are_independent(first: tuple[int], second: tuple[int]) -> None:
    one, other = (word(streams(*key), 0) / 2**64 for key in (first, second))
    assert abs(np.corrcoef(one, other)[0, 1]) < 5.5 / np.sqrt(NUM)


def test_numbers_in_a_row_are_no_worse_than_hashes() -> None:
    """Keys 0, 1, 2, … and epochs 0, 1, 2, … give the uniform distribution too."""
    keys = np.arange(100, dtype=np.uint64)
    grid = np.stack([word(states(0, epoch, keys), 0) for epoch in range(100)]) / 2**64
    for axis in (0, 1):
        means = grid.mean(axis=axis)
        assert np.abs(means - 0.5).max() < 5.5 * np.sqrt(1 / 1200)
    counts = np.histogram(grid, bins=64, range=(0, 1))[0]
    assert ((counts - 156.25) ** 2 / 156.25).sum() < 114  # 99.99 % for 63 degrees


@given(bound=st.integers(1, 600), index=st.integers(0, 9))
def test_below_covers_its_range_evenly(bound: int, index: int) -> None:
    for half in halves(streams(), index):
        drawn = below(half, bound)
        assert drawn.min() >= 0
        assert drawn.max() < bound
        assert abs(drawn.mean() - (bound - 1) / 2) <= 5.5 * bound / np.sqrt(12 * NUM)


@given(
    seed=st.integers(0, 2**32 - 1), epoch=st.integers(-5, 10**6), rows=st.permutations(range(20))
)
def test_a_stream_does_not_depend_on_the_batch(seed: int, epoch: int, rows: list[int]) -> None:
    keys, copies = sample_keys(np.arange(20)), np.arange(20) % 3
    whole = states(seed, epoch, keys, copies)
    some = np.array(rows[:7])
    np.testing.assert_array_equal(states(seed, epoch, keys[some], copies[some]), whole[some])
