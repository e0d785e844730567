"""Law 2: what training sees is a function of (seed, epoch, sample id), whoever loads it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.augmentation.freeze import freeze
from pipeline.config.augmentation import Mixing
from pipeline.config.training import Training
from pipeline.core.artifacts import Card
from pipeline.core.component import make
from pipeline.images.packed import Packed
from pipeline.training import datamodule
from pipeline.training.batches import Batch
from pipeline.training.datamodule import DataModule, Inputs, block_size

SHAPE = (9, 9, 3)
NUM, BATCH = 46, 8  # the last six fill no batch
MIXED = {"mixup_alpha": 0.4, "cutmix_alpha": 1.0, "probability": 0.7}
SETTINGS = [
    ("crop_flip", None, {}),
    ("crop_flip", MIXED, {}),
    ("light", None, {"sampling": "balanced"}),
    ("light", MIXED, {}),
]


def inputs(policy: str, mixing: dict[str, float] | None) -> Inputs:
    images = np.random.default_rng(0).integers(0, 256, (NUM, *SHAPE), np.uint8)
    targets = np.arange(NUM) ** 2 % 7 % 3  # classes of unequal size
    packed = Packed(images, targets, np.array([f"image {i}" for i in range(NUM)]), np.full(NUM, -1))
    card = Card(("a", "b", "c"), SHAPE, "crop", 1, {}, (0.5,) * 3, (0.2,) * 3, "")
    frozen = freeze(
        make("policy", policy),
        SHAPE,
        online=True,
        mixing=Mixing(**mixing).model_dump() if mixing else None,
    )
    return Inputs(card, packed, packed, frozen)


class Loader:
    """The loader of one device: kept over epochs, or made anew."""

    def __init__(
        self,
        given: Inputs,
        training: dict[str, Any],
        workers: int,
        rank: int,
        world: int,
        device: str = "cpu",
    ) -> None:
        settings = Training(epochs=1, batch_size=BATCH, lr=0.1, **training)
        self.data = DataModule(
            given,
            settings,
            seed=5,
            num_workers=workers,
            rank=rank,
            world=world,
            device=torch.device(device),
        )
        self.loader = self.data.train_dataloader()

    def epoch(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        self.loader.sampler.set_epoch(epoch)
        self.loader.sampler.first_batch = first_batch
        return (batch for block in self.loader for batch in block.batches)


Seen = list[tuple[np.ndarray, np.ndarray, np.ndarray | None, float]]


def seen(batches: list[list[Batch]]) -> Seen:
    """Global batches, put together from the parts of all devices."""
    made = []
    for parts in zip(*batches, strict=True):
        images, targets, others = (
            _interleaved([part[field] for part in parts]) for field in range(3)
        )
        assert len({part.share for part in parts}) == 1
        made.append((images, targets, others, parts[0].share))
    return made


def _interleaved(parts: list[torch.Tensor | None]) -> np.ndarray | None:
    if parts[0] is None:
        return None
    return np.stack([part.numpy() for part in parts], axis=1).reshape(-1, *parts[0].shape[1:])


def same(one: Seen, other: Seen) -> None:
    assert len(one) == len(other) > 0
    for first, second in zip(one, other, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("policy", "mixing", "training"), SETTINGS)
def test_pixels_do_not_depend_on_workers_devices_or_the_past(
    policy: str, mixing: dict[str, float] | None, training: dict[str, Any]
) -> None:
    given = inputs(policy, mixing)
    plain = {e: seen([list(Loader(given, training, 0, 0, 1).epoch(e))]) for e in (0, 1)}
    for workers, world in [(1, 1), (2, 1), (4, 1), (0, 2), (2, 2)]:
        kept = [Loader(given, training, workers, rank, world) for rank in range(world)]
        for epoch in (0, 1):  # the same workers in both
            same(seen([list(loader.epoch(epoch)) for loader in kept]), plain[epoch])
        fresh = [Loader(given, training, workers, rank, world) for rank in range(world)]
        same(seen([list(loader.epoch(1)) for loader in fresh]), plain[1])
        resumed = [Loader(given, training, workers, rank, world) for rank in range(world)]
        same(seen([list(loader.epoch(1, 2)) for loader in resumed]), plain[1][2:])


def test_an_accelerator_that_augments_makes_the_same_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch's own steps, here on the CPU: `meta` is no CPU, and nothing is moved to it."""
    given = inputs("crop_flip", None)
    monkeypatch.setattr(datamodule, "moved", lambda batch, _: batch)
    plain = list(Loader(given, {}, 0, 0, 1).epoch(1))
    left = Loader(given, {}, 2, 0, 1, device="meta")
    for batch, expected in zip(left.epoch(1), plain, strict=True):
        assert batch.later is not None
        finished = left.data.to_device(batch)
        assert torch.equal(finished.images, expected.images)
        assert torch.equal(finished.targets, expected.targets)


def test_what_an_accelerator_cannot_follow_is_augmented_by_the_cpu() -> None:
    for policy, mixing in (("light", None), ("crop_flip", MIXED)):
        given = inputs(policy, mixing)
        same(
            seen([list(Loader(given, {}, 0, 0, 1, device="meta").epoch(0))]),
            seen([list(Loader(given, {}, 0, 0, 1).epoch(0))]),
        )


@pytest.mark.parametrize(("policy", "mixing", "training"), SETTINGS)
def test_two_epochs_differ(
    policy: str, mixing: dict[str, float] | None, training: dict[str, Any]
) -> None:
    loader = Loader(inputs(policy, mixing), training, 0, 0, 1)
    first, second = (np.concatenate([b.images for b in loader.epoch(e)]) for e in (0, 1))
    pixels = [{image.tobytes() for image in images} for images in (first, second)]
    assert len(pixels[0] & pixels[1]) < len(first) / 4


def test_repeats_of_a_sample_within_an_epoch_differ() -> None:
    given = inputs("light", None)
    loader = Loader(given, {"sampling": "balanced"}, 0, 0, 1)
    images = np.concatenate([batch.images for batch in loader.epoch(0)])
    assert len(images) > NUM  # some samples stand there more than once
    assert len({image.tobytes() for image in images}) > 0.9 * len(images)


def test_without_a_policy_training_sees_what_is_stored() -> None:
    given = inputs("none", None)
    stored = {image.tobytes(): target for image, target in zip(*given.train[:2], strict=True)}
    for batch in Loader(given, {}, 0, 0, 1).epoch(3):
        for image, target in zip(batch.images.numpy(), batch.targets, strict=True):
            assert stored[image.tobytes()] == target


def test_mixed_targets_are_those_of_the_mixed_images() -> None:
    """Images of one grey level each: what was mixed can be read from the pixels."""
    given = inputs("none", {"mixup_alpha": 1.0})
    levels = (np.arange(NUM) * 5).astype(np.uint8)
    target_of = dict(zip(levels.tolist(), given.train.targets.tolist(), strict=True))
    given.train.images[:] = levels[:, None, None, None]
    for batch in Loader(given, {}, 0, 0, 1).epoch(0):
        assert batch.other_targets is not None
        for image, first, second in zip(*batch[:3], strict=True):
            level = float(image[0, 0, 0])
            explained = [
                (target_of[a], target_of[b])
                for a in target_of
                for b in target_of
                if abs(batch.share * a + (1 - batch.share) * b - level) <= 0.51
            ]
            assert (int(first), int(second)) in explained


def test_blocks_are_bounded_by_steps_and_by_bytes() -> None:
    assert block_size(64, (28, 28, 1)) == 32
    assert block_size(64, (224, 224, 3)) == 1
    assert block_size(10_000, (28, 28, 1)) == 2
