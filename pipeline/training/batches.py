"""Batches whose content depends only on (seed, epoch), not on the number of workers or devices."""

from collections.abc import Callable
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
    """One device's part of a batch. `other_…` and `share` are set where images are mixed."""

    images: UInt8[Tensor, "b h w c"]
    targets: Tensor
    other_targets: Tensor | None = None
    share: float = 1.0
    """The proportion of `targets` in each image; the rest is that of `other_targets`."""
    later: Later | None = None
    """Set where the images are still as stored, and the accelerator is to augment them."""
    taught: Tensor | None = None
    """A teacher's targets, if the network learns from one; `other_taught` likewise."""
    other_taught: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch with all of its tensors changed alike."""
        own = self._asdict().items()
        made: Any = {n: change(part) for n, part in own if isinstance(part, Tensor)}
        return self._replace(**made)


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
        taught: a teacher's targets of all samples, if there is one.
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
        taught: np.ndarray | None = None,
    ) -> None:
        self._taught = taught
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
        targets, taught = self._targets(step.rows[own])
        if self._on_accelerator:
            later = Later(step.epoch, self._keys[step.rows[own]], step.copies[own])
            return Batch(torch.from_numpy(images), targets, later=later, taught=taught)
        if mix is None:
            return Batch(torch.from_numpy(images), targets, taught=taught)
        partners = mix.partners[own]
        first, second = (images[np.searchsorted(places, wanted)] for wanted in (own, partners))
        mixed = torch.from_numpy(mixing.apply(first, second, mix))
        others, others_taught = self._targets(step.rows[partners])
        return Batch(mixed, targets, others, mix.lam, taught=taught, other_taught=others_taught)

    def _targets(self, rows: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """Return the labels of some samples, and what a teacher makes of them."""
        targets, taught = self._packed.targets[rows], self._taught
        return torch.from_numpy(targets), None if taught is None else torch.from_numpy(taught[rows])


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

    def part(at: int) -> Batch:
        return batch.each(lambda whole: whole.chunk(num_parts)[at])

    return [part(at) for at in range(num_parts)]


def moved(batch: Batch, device: torch.device) -> Batch:
    """Copy the tensors of a batch to a device."""
    return batch.each(lambda part: part.to(device, non_blocking=True))
