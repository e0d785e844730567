"""Batches: the same samples in the same global batch, whatever the number of devices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.training.data import OrderedBatches, ShuffledBatches
from pipeline.training.module import warmup_cosine

WORLDS = st.sampled_from([1, 2, 4])


def epoch_of(sampler: ShuffledBatches, epoch: int) -> list[np.ndarray]:
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert {e for e, _ in batches} == {epoch}
    return [rows for _, rows in batches]


@given(size=st.integers(8, 100), seed=st.integers(0, 99), epoch=st.integers(0, 9), world=WORLDS)
def test_devices_share_the_global_batch(size: int, seed: int, epoch: int, world: int) -> None:
    whole = epoch_of(ShuffledBatches(size, 8, seed, 0, 1), epoch)
    parts = [epoch_of(ShuffledBatches(size, 8, seed, r, world), epoch) for r in range(world)]
    assert len(whole) == size // 8
    for batch, *shares in zip(whole, *parts, strict=True):
        assert {len(share) for share in shares} == {8 // world}
        np.testing.assert_array_equal(np.sort(np.concatenate(shares)), np.sort(batch))


def test_an_epoch_sees_a_sample_once_and_epochs_differ() -> None:
    sampler = ShuffledBatches(100, 10, 0, 0, 1)
    first, second = (np.concatenate(epoch_of(sampler, e)) for e in (0, 1))
    np.testing.assert_array_equal(np.sort(first), np.arange(100))
    assert (first != second).any()
    np.testing.assert_array_equal(np.concatenate(epoch_of(sampler, 0)), first)


@given(size=st.integers(1, 100), batch=st.integers(1, 20), world=WORLDS)
def test_validation_sees_every_sample_exactly_once(size: int, batch: int, world: int) -> None:
    samplers = [OrderedBatches(size, batch, rank, world) for rank in range(world)]
    seen = [row for sampler in samplers for _, rows in sampler for row in rows]
    assert sorted(seen) == list(range(size))


def test_a_batch_larger_than_train_is_refused() -> None:
    with pytest.raises(UserError, match="got 64; allowed at most the 10 training images"):
        ShuffledBatches(10, 64, 0, 0, 1)


def test_the_schedule_rises_to_one_and_falls_to_zero() -> None:
    factor = warmup_cosine(4, 20)
    assert [factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert factor(4) == 1.0
    assert factor(12) == pytest.approx(0.5)
    assert factor(20) == pytest.approx(0)
    assert warmup_cosine(0, 10)(0) == 1.0
