"""The order of samples: a function of (seed, epoch); whole epochs, resumed ones, resampled ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.training.order import Ordered, Shuffled, Step


def steps(sampler: Shuffled, epoch: int = 0) -> list[Step]:
    sampler.set_epoch(epoch)
    return [step for block in sampler for step in block]


def targets_of(num: int) -> np.ndarray:
    return np.arange(num) % 3


@given(num=st.integers(1, 60), batch=st.integers(1, 9), block=st.integers(1, 5))
def test_every_sample_at_most_once_and_the_batches_full(num: int, batch: int, block: int) -> None:
    if batch > num:
        return
    sampler = Shuffled(targets_of(num), batch, seed=0, block_size=block)
    made = steps(sampler)
    assert len(made) == sampler.num_batches == num // batch
    rows = np.concatenate([step.rows for step in made])
    assert len(set(rows.tolist())) == len(rows) == num // batch * batch
    assert [step.batch for step in made] == list(range(len(made)))
    assert not np.concatenate([step.copies for step in made]).any()
    assert sum(1 for _ in sampler) == len(sampler)


def test_seeds_and_epochs_differ_and_repeat() -> None:
    orders = {}
    for key in [(0, 0), (0, 1), (1, 0), (0, 0)]:
        made = steps(Shuffled(targets_of(40), 4, seed=key[0]), epoch=key[1])
        order = tuple(np.concatenate([step.rows for step in made]).tolist())
        assert orders.setdefault(key, order) == order
    assert len(set(orders.values())) == 3


@given(block=st.integers(1, 6), first=st.integers(0, 10))
def test_an_epoch_goes_on_from_its_middle(block: int, first: int) -> None:
    whole = steps(Shuffled(targets_of(40), 4, seed=3), epoch=2)
    sampler = Shuffled(targets_of(40), 4, seed=3, block_size=block)
    sampler.first_batch = first
    rest = steps(sampler, epoch=2)
    assert [s.batch for s in rest] == [s.batch for s in whole[first:]]
    for one, other in zip(rest, whole[first:], strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
    assert len(steps(sampler, epoch=2)) == 10  # the next epoch is whole again


@pytest.mark.parametrize(("resampling", "size"), [("over", 120), ("under", 12)])
def test_balanced_epochs_hold_every_class_equally(resampling: str, size: int) -> None:
    targets = np.repeat([0, 1, 2], [40, 10, 4])
    sampler = Shuffled(targets, 6, 0, sampling="balanced", resampling=resampling)
    made = steps(sampler)
    rows = np.concatenate([step.rows for step in made])
    assert np.bincount(targets[rows]).tolist() == [size // 3] * 3
    copies = np.concatenate([step.copies for step in made])
    assert len(set(zip(rows.tolist(), copies.tolist(), strict=True))) == size
    if resampling == "under":  # another part of the large classes in each epoch
        other = np.concatenate([step.rows for step in steps(sampler, epoch=1)])
        assert set(rows.tolist()) != set(other.tolist())


@given(num=st.integers(0, 50), batch=st.integers(1, 8), world=st.integers(1, 4))
def test_validation_sees_every_sample_once(num: int, batch: int, world: int) -> None:
    seen = [
        row
        for rank in range(world)
        for rows in Ordered(num, batch, rank, world)
        for row in rows.tolist()
    ]
    assert sorted(seen) == list(range(num))


@given(num=st.integers(1, 60), batch=st.integers(1, 9), world=st.integers(1, 5))
def test_all_devices_validate_equally_many_batches(num: int, batch: int, world: int) -> None:
    """Where weights are sharded, one that computed once more would wait for the others for ever."""
    assert len({len(Ordered(num, batch, rank, world)) for rank in range(world)}) == 1


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(UserError, match="batch_size: got 50; allowed at most the 40 training"):
        Shuffled(targets_of(40), 50, seed=0)


def test_samples_of_many_labels_cannot_be_balanced() -> None:
    with pytest.raises(UserError, match="got balanced, but the images have no single class"):
        Shuffled(np.zeros((5, 2), bool), 2, 0, sampling="balanced")
