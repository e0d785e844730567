"""Batches whose content depends on (seed, epoch) alone, not on workers or devices."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.artifacts import Card, Layout, read_json
from pipeline.augmentation import device, draws, mixing
from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.policy import Augmenter
from pipeline.packed import Packed
from pipeline.params import Training
from pipeline.training.order import Block, Ordered, Shuffled, Step

CPU = torch.device("cpu")
BLOCK_IMAGES = 4096  # augmented at once, where they are small
BLOCK_BYTES = 16_000_000


class Later(NamedTuple):
    """What augmentation on the accelerator needs to know of a batch."""

    epoch: int
    keys: np.ndarray
    copies: np.ndarray


class Batch(NamedTuple):
    """One device's part of a batch. `other_targets` and `share` where images were mixed."""

    images: UInt8[Tensor, "b h w c"]
    targets: Tensor
    other_targets: Tensor | None = None
    share: float = 1.0
    """Of `targets` in each image; the rest is of `other_targets`."""
    later: Later | None = None
    """Where the images are as stored, and the accelerator is to augment them."""


@dataclass(frozen=True)
class Inputs:
    """What a fit learns from: never the test split."""

    card: Card
    train: Packed
    val: Packed
    policy: dict[str, Any]

    @classmethod
    def open(cls, layout: Layout, fold: int = 0) -> "Inputs":
        """`fold` validates; all other images, and the offline copies of them, train."""
        packed = Packed.open(layout.trainval)
        copies = Packed.open(layout.augmentation / "copies")
        train = packed.take(np.flatnonzero(packed.folds != fold))
        if len(copies.ids):
            train = train.join(copies.take(np.flatnonzero(copies.folds != fold)))
        return cls(
            Card.load(layout.card),
            train,
            packed.take(np.flatnonzero(packed.folds == fold)),
            read_json(layout.augmentation / "policy.json"),
        )


class TrainBlocks(Dataset[list[Batch]]):
    """Reads, augments and mixes several batches at once.

    Args:
        on_accelerator: leave augmentation to the accelerator, for a policy that it can follow.
    """

    def __init__(
        self,
        packed: Packed,
        augmenter: Augmenter,
        mixing: dict[str, Any] | None,
        seed: int,
        rank: int,
        world: int,
        *,
        on_accelerator: bool = False,
    ) -> None:
        self._packed, self._mixing, self._seed = packed, mixing, seed
        self._augmenter = augmenter
        self._keys = sample_keys(packed.ids)
        self._rank, self._world = rank, world
        self._on_accelerator = on_accelerator

    def __getitem__(self, block: Block) -> list[Batch]:
        mixes = [self._mix(step) for step in block]
        needed = [self._needed(step, mix) for step, mix in zip(block, mixes, strict=True)]
        images = self._augmented(block, needed)
        ends = np.cumsum([len(places) for places in needed])
        parts = zip(block, mixes, needed, np.split(images, ends[:-1]), strict=True)
        return [self._batch(*part) for part in parts]

    def _mix(self, step: Step) -> mixing.Mix | None:
        if self._mixing is None:
            return None
        size_px = self._augmenter.output_shape[:2]
        num = len(step.rows)
        return mixing.draw(self._mixing, self._seed, step.epoch, step.batch, num, *size_px)

    def _own(self, step: Step) -> np.ndarray:
        """This device's places in the global batch."""
        return np.arange(len(step.rows))[self._rank :: self._world]

    def _needed(self, step: Step, mix: mixing.Mix | None) -> np.ndarray:
        """Places in the global batch: this device's own, and those mixed into them."""
        own = self._own(step)
        return own if mix is None else np.union1d(own, mix.partners[own])

    def _augmented(self, block: Block, needed: list[np.ndarray]) -> UInt8[np.ndarray, "n h w c"]:
        pairs = list(zip(block, needed, strict=True))
        rows = np.concatenate([step.rows[places] for step, places in pairs])
        copies = np.concatenate([step.copies[places] for step, places in pairs])
        images = np.asarray(self._packed.images[rows])
        if self._on_accelerator:
            return images
        return self._augmenter(images, block[0].epoch, self._keys[rows], copies)

    def _batch(
        self, step: Step, mix: mixing.Mix | None, places: np.ndarray, images: np.ndarray
    ) -> Batch:
        own = self._own(step)
        targets = torch.from_numpy(self._packed.targets[step.rows[own]])
        if self._on_accelerator:
            later = Later(step.epoch, self._keys[step.rows[own]], step.copies[own])
            return Batch(torch.from_numpy(images), targets, later=later)
        if mix is None:
            return Batch(torch.from_numpy(images), targets)
        partners = mix.partners[own]
        first, second = (images[np.searchsorted(places, wanted)] for wanted in (own, partners))
        mixed = torch.from_numpy(mixing.apply(first, second, mix))
        others = torch.from_numpy(self._packed.targets[step.rows[partners]])
        return Batch(mixed, targets, others, mix.lam)


class Stored(Dataset[Batch]):
    """Whole batches, as they are stored."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed

    def __getitem__(self, rows: np.ndarray) -> Batch:
        images = np.asarray(self._packed.images[rows])
        return Batch(torch.from_numpy(images), torch.from_numpy(self._packed.targets[rows]))


class TrainLoader:
    """The batches of one epoch after the other, whichever process made their block."""

    def __init__(self, loader: "DataLoader[list[Batch]]", sampler: Shuffled) -> None:
        self._loader = loader
        self.sampler = sampler

    def __len__(self) -> int:
        return self.sampler.num_batches

    def __iter__(self) -> Iterator[Batch]:
        for block in self._loader:
            yield from block


class Data:
    """Shuffled, augmented batches of train, and val as it is stored: one device's part."""

    def __init__(
        self,
        inputs: Inputs,
        settings: Training,
        seed: int,
        *,
        num_workers: int = 0,
        rank: int = 0,
        world: int = 1,
        device: torch.device = CPU,
    ) -> None:
        self._inputs, self._settings, self._seed = inputs, settings, seed
        self._num_workers, self._rank, self._world = num_workers, rank, world
        self._device = device
        self._augmenter = Augmenter(inputs.policy, seed)
        self.sampler = Shuffled(
            inputs.train.targets,
            settings.batch_size,
            seed,
            sampling=settings.sampling,
            resampling=settings.resampling,
            block_size=block_size(settings.batch_size, inputs.card.image_shape),
        )

    @property
    def share(self) -> int:
        """Images of a batch that are this device's."""
        return self._settings.batch_size // self._world

    def train(self) -> TrainLoader:
        """Iterating gives the epoch that `sampler` is set to, from its `first_batch` on."""
        blocks = TrainBlocks(
            self._inputs.train,
            self._augmenter,
            self._inputs.policy["mixing"],
            self._seed,
            self._rank,
            self._world,
            on_accelerator=self._on_accelerator(),
        )
        loader = DataLoader(
            blocks,
            batch_size=None,  # the sampler yields whole blocks
            sampler=self.sampler,
            collate_fn=_as_it_is,
            num_workers=self._num_workers,
            persistent_workers=self._num_workers > 0,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator().manual_seed(self._seed),  # leaves the global one alone
        )
        return TrainLoader(loader, self.sampler)

    def val(self, num_parts: int) -> "DataLoader[Batch]":
        """Every sample once over all devices, in batches as large as a part in training."""
        val = self._inputs.val
        sampler = Ordered(len(val.targets), self.share // num_parts, self._rank, self._world)
        return DataLoader(Stored(val), batch_size=None, sampler=sampler, collate_fn=_as_it_is)

    def ids(self, epoch: int, batch: int) -> list[str]:
        """The samples of one global batch."""
        rows = self.sampler.step(epoch, batch).rows
        return [str(id_) for id_ in self._inputs.train.ids[rows]]

    def to_device(self, batch: Batch) -> Batch:
        """Move a batch, and augment it there where that was left to the accelerator."""
        if self._device.type != "cpu":
            batch = _moved(batch, self._device)
        if batch.later is None:
            return batch
        assert self._augmenter.plan is not None
        drawn = draws.draw(self._augmenter.plan, self._seed, *batch.later)
        images = device.apply(batch.images, drawn, self._augmenter.plan)
        return batch._replace(images=images, later=None)

    def _on_accelerator(self) -> bool:
        """Where there is one, and it can follow the policy; images are mixed on the CPU."""
        if self._device.type == "cpu" or self._inputs.policy["mixing"]:
            return False
        return self._augmenter.plan is not None and not self._augmenter.is_identity


def block_size(batch_size: int, image_shape: tuple[int, ...]) -> int:
    """Batches that are read and augmented at once."""
    images = min(BLOCK_IMAGES, BLOCK_BYTES // int(np.prod(image_shape)))
    return max(1, images // batch_size)


def split(batch: Batch, num_parts: int) -> list[Batch]:
    """Equal parts of a batch, to be computed one after the other."""
    if num_parts == 1:
        return [batch]
    images, targets = batch.images.chunk(num_parts), batch.targets.chunk(num_parts)
    others = batch.other_targets
    parts = others.chunk(num_parts) if others is not None else [None] * num_parts
    return [
        batch._replace(images=i, targets=t, other_targets=o)
        for i, t, o in zip(images, targets, parts, strict=True)
    ]


def _moved(batch: Batch, device: torch.device) -> Batch:
    images, targets = (part.to(device, non_blocking=True) for part in batch[:2])
    others = batch.other_targets
    if others is not None:
        others = others.to(device, non_blocking=True)
    return batch._replace(images=images, targets=targets, other_targets=others)


def _as_it_is(batch: Any) -> Any:
    return batch  # tensors already; torch's own conversion would look into each
