"""Batches whose content depends only on (seed, epoch), not on the number of workers or devices."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.augmentation import mixing
from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.policy import Augmenter
from pipeline.images.packed import Packed
from pipeline.training.order import Step


class Later(NamedTuple):
    """What augmentation on the accelerator needs to know about a batch."""

    epoch: int
    keys: np.ndarray
    copies: np.ndarray


class Batch(NamedTuple):
    """One device's part of a batch. `other_targets` and `share` are set where images are mixed."""

    images: UInt8[Tensor, "b h w c"]
    targets: Tensor
    other_targets: Tensor | None = None
    share: float = 1.0
    """The proportion of `targets` in each image; the rest is that of `other_targets`."""
    later: Later | None = None
    """Set where the images are still as stored, and the accelerator is to augment them."""


class Block(NamedTuple):
    """Batches that were made together; each is one step of the optimiser."""

    epoch: int
    first: int
    """The index of the first batch within its epoch."""
    batches: list[Batch]


class ValBatch(NamedTuple):
    """Images of validation, as stored."""

    images: UInt8[Tensor, "b h w c"]
    targets: Tensor
    counts: bool
    """False where the device has no images left and computes only to keep in step."""


class TrainBlocks(Dataset[Block]):
    """Reads, augments and mixes several batches at once.

    Args:
        on_accelerator: leave augmentation to the accelerator, for a policy that it supports.
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

    def __getitem__(self, steps: list[Step]) -> Block:
        mixes = [self._mix(step) for step in steps]
        needed = [self._needed(step, mix) for step, mix in zip(steps, mixes, strict=True)]
        images = self._augmented(steps, needed)
        ends = np.cumsum([len(places) for places in needed])
        parts = zip(steps, mixes, needed, np.split(images, ends[:-1]), strict=True)
        batches = [self._batch(*part) for part in parts]
        return Block(steps[0].epoch, steps[0].batch, batches)

    def _mix(self, step: Step) -> mixing.Mix | None:
        if self._mixing is None:
            return None
        size_px = self._augmenter.output_shape[:2]
        num = len(step.rows)
        return mixing.draw(self._mixing, self._seed, step.epoch, step.batch, num, *size_px)

    def _own(self, step: Step) -> np.ndarray:
        """Return this device's positions in the global batch."""
        return np.arange(len(step.rows))[self._rank :: self._world]

    def _needed(self, step: Step, mix: mixing.Mix | None) -> np.ndarray:
        """Return positions in the global batch: this device's own, and those mixed into them."""
        own = self._own(step)
        return own if mix is None else np.union1d(own, mix.partners[own])

    def _augmented(
        self, steps: list[Step], needed: list[np.ndarray]
    ) -> UInt8[np.ndarray, "n h w c"]:
        pairs = list(zip(steps, needed, strict=True))
        rows = np.concatenate([step.rows[places] for step, places in pairs])
        copies = np.concatenate([step.copies[places] for step, places in pairs])
        images = np.asarray(self._packed.images[rows])
        if self._on_accelerator:
            return images
        return self._augmenter(images, steps[0].epoch, self._keys[rows], copies)

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


class Stored(Dataset[ValBatch]):
    """Whole batches of images as stored; an empty one holds the first image, not counted."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed

    def __getitem__(self, rows: np.ndarray) -> ValBatch:
        read = rows if len(rows) else np.zeros(1, np.int64)
        images = torch.from_numpy(np.asarray(self._packed.images[read]))
        return ValBatch(images, torch.from_numpy(self._packed.targets[read]), len(rows) > 0)


def split(batch: Batch, num_parts: int) -> list[Batch]:
    """Split a batch into equal parts, to be computed one after the other."""
    if num_parts == 1:
        return [batch]
    images, targets = batch.images.chunk(num_parts), batch.targets.chunk(num_parts)
    others = batch.other_targets
    parts = others.chunk(num_parts) if others is not None else [None] * num_parts
    return [
        batch._replace(images=i, targets=t, other_targets=o)
        for i, t, o in zip(images, targets, parts, strict=True)
    ]


def moved(batch: Batch, device: torch.device) -> Batch:
    """Copy the tensors of a batch to a device."""
    images, targets = (part.to(device, non_blocking=True) for part in batch[:2])
    others = batch.other_targets
    if others is not None:
        others = others.to(device, non_blocking=True)
    return batch._replace(images=images, targets=targets, other_targets=others)
