"""Batches whose content depends on (seed, epoch) alone, not on workers or devices."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from pipeline.artifacts import Card, Layout, Packed, read_json
from pipeline.augmentation.policy import Augmenter
from pipeline.errors import UserError
from pipeline.training.lightning import pl

Rows = tuple[int, np.ndarray]  # the epoch, and indices into a split


@dataclass(frozen=True)
class Inputs:
    """What a fit learns from: never the test split."""

    card: Card
    train: Packed
    val: Packed
    policy: dict[str, Any]

    @classmethod
    def open(cls, layout: Layout) -> "Inputs":
        return cls(
            Card.load(layout.card),
            Packed.open(layout.processed / "train"),
            Packed.open(layout.processed / "val"),
            read_json(layout.augmentation / "policy.json"),
        )


class ShuffledBatches(Sampler[Rows]):
    """This device's part of every global batch of an epoch.

    The order is a permutation drawn from (seed, epoch); device r of d takes rows r, r + d, … of
    each batch. The last images that fill no batch are left out of this epoch.
    """

    def __init__(self, num_samples: int, batch_size: int, seed: int, rank: int, world: int) -> None:
        if batch_size > num_samples:
            raise UserError(
                f"training.batch_size: got {batch_size}; allowed at most the {num_samples} "
                "training images"
            )
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.rank, self.world = rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_samples // self.batch_size

    def __iter__(self) -> Iterator[Rows]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.num_samples)
        for batch in range(len(self)):
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield self.epoch, rows[self.rank :: self.world]


class OrderedBatches(Sampler[Rows]):
    """Every sample exactly once over all devices, none twice: no padding."""

    def __init__(self, num_samples: int, batch_size: int, rank: int, world: int) -> None:
        rows = np.arange(num_samples)[rank::world]
        self.batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Rows]:
        return ((0, rows) for rows in self.batches)


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Reads a whole batch at once; uint8, to be normalised by the network on its device."""

    def __init__(self, packed: Packed, augmenter: Augmenter | None) -> None:
        self.packed, self.augmenter = packed, augmenter

    def __getitem__(self, rows: Rows) -> tuple[Tensor, Tensor]:
        epoch, indices = rows
        images = np.ascontiguousarray(self.packed.images[indices])
        if self.augmenter:
            images = self.augmenter(images, epoch, self.packed.ids[indices])
        return torch.from_numpy(images), torch.from_numpy(self.packed.targets[indices])


class Data(pl.LightningDataModule):
    """Shuffled, augmented batches of train; val as it is stored."""

    def __init__(self, inputs: Inputs, *, batch_size: int, seed: int, num_workers: int) -> None:
        super().__init__()
        self.train, self.val = inputs.train, inputs.val
        self.augmenter = Augmenter(inputs.policy, seed)
        self.batch_size, self.seed, self.num_workers = batch_size, seed, num_workers

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        rank, world = self._place()
        size = len(self.train.targets)
        sampler = ShuffledBatches(size, self.batch_size, self.seed, rank, world)
        return self._loader(Batches(self.train, self.augmenter), sampler, self.num_workers)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        rank, world = self._place()
        sampler = OrderedBatches(len(self.val.targets), self.batch_size, rank, world)
        return self._loader(Batches(self.val, None), sampler, num_workers=0)

    def _place(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size

    def _loader(
        self, dataset: Batches, sampler: Sampler[Rows], num_workers: int
    ) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(
            dataset,
            batch_size=None,  # the sampler yields whole batches
            sampler=sampler,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(self.seed),  # leaves the global one alone
        )
