"""The data of a fit as a `LightningDataModule`: shuffled blocks of train, and val as stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from pipeline.augmentation import device as on_device
from pipeline.augmentation import draws
from pipeline.augmentation.freeze import policy_of
from pipeline.augmentation.policy import Augmenter
from pipeline.config.training import Training
from pipeline.core.artifacts import Card
from pipeline.core.component import Component
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.images.packed import Packed
from pipeline.training.balance import counts
from pipeline.training.batches import Batch, Block, Stored, TrainBlocks, ValBatch, moved
from pipeline.training.order import Ordered, Shuffled

CPU = torch.device("cpu")
BLOCK_STEPS = 32  # Lightning costs time once a block; a request to leave waits for its end
BLOCK_BYTES = 16_000_000


@dataclass(frozen=True)
class Inputs:
    """The data that a fit learns from, which never includes the test split."""

    card: Card
    train: Packed
    val: Packed
    policy: dict[str, Any]

    @classmethod
    def open(cls, layout: Layout, fold: int = 0, policy: Component | None = None) -> "Inputs":
        """Open packed data: `fold` is validated, other images and their copies are trained on.

        Args:
            policy: the recipe's own augmentation policy, if it has one.

        Raises:
            UserError: the policy cannot handle the images.
        """
        packed = Packed.open(layout.trainval)
        copies = Packed.open(layout.augmentation / "copies")
        train = packed.take(np.flatnonzero(packed.folds != fold))
        if len(copies.ids):
            train = train.join(copies.take(np.flatnonzero(copies.folds != fold)))
        return cls(
            Card.load(layout.card),
            train,
            packed.take(np.flatnonzero(packed.folds == fold)),
            policy_of(read_json(layout.augmentation / "policy.json"), policy),
        )

    @property
    def class_counts(self) -> dict[str, list[int]]:
        """The images of each class, or with each label, in train and in val."""
        num_classes = len(self.card.classes)
        return {
            "train": counts(self.train.targets, num_classes),
            "val": counts(self.val.targets, num_classes),
        }


class TrainLoader:
    """Yields the blocks of one epoch after the other, and keeps its position for checkpoints."""

    def __init__(self, loader: "DataLoader[Block]", sampler: Shuffled) -> None:
        self._loader = loader
        self.sampler = sampler
        """Lightning sets its epoch."""
        self._next = (0, 0)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Block]:
        # A generator: Lightning requests the iterator before it sets the epoch.
        for block in self._loader:
            self._next = (block.epoch, block.first + len(block.batches))
            yield block

    def state_dict(self) -> dict[str, int]:
        """Return the position of the next batch."""
        epoch, batch = self._next
        return {"epoch": epoch, "batch": batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume at that batch."""
        self.sampler.set_epoch(state["epoch"])
        self.sampler.first_batch = state["batch"]


class DataModule(LightningDataModule):
    """One device's part of the data. Within a Trainer, Lightning tells it which device that is."""

    allow_zero_length_dataloader_with_multiple_devices = True

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
        super().__init__()
        self._inputs, self._settings, self._seed = inputs, settings, seed
        self._num_workers, self._rank, self._world = num_workers, rank, world
        self._device = device
        self._augmenter = Augmenter(inputs.policy, seed)
        self.num_parts = settings.micro_batches
        """The number of parts of a batch that are computed one after the other."""
        self.block_size = block_size(settings.batch_size, inputs.card.image_shape)
        """The number of batches that are read and augmented together for one training step."""
        self.sampler = Shuffled(
            inputs.train.targets,
            settings.batch_size,
            seed,
            sampling=settings.sampling,
            resampling=settings.resampling,
            block_size=self.block_size,
        )

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Take the device that Lightning has assigned to this process."""
        if self.trainer is not None:
            self._rank, self._world = self.trainer.global_rank, self.trainer.world_size
            self._device = self.trainer.strategy.root_device

    @property
    def share(self) -> int:
        """The number of images of each batch that belong to this device."""
        return self._settings.batch_size // self._world

    def train_dataloader(self) -> TrainLoader:
        """Return the blocks of the epoch that `sampler` is set to, from its `first_batch` on."""
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

    def val_dataloader(self) -> "DataLoader[ValBatch]":
        """Return every sample once over all devices, in batches as large as a part in training."""
        val = self._inputs.val
        size = self.share // self.num_parts
        sampler = Ordered(len(val.targets), size, self._rank, self._world)
        return DataLoader(Stored(val), batch_size=None, sampler=sampler, collate_fn=_as_it_is)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Make the batches of one epoch, on the device."""
        self.sampler.set_epoch(epoch)
        for block in self.train_dataloader():
            yield from map(self.to_device, block.batches)

    def ids(self, epoch: int, batch: int) -> list[str]:
        """Return the ids of the samples of one global batch."""
        rows = self.sampler.step(epoch, batch).rows
        return [str(id_) for id_ in self._inputs.train.ids[rows]]

    def transfer_batch_to_device(
        self,
        batch: Any,
        device: torch.device,  # noqa: ARG002
        dataloader_idx: int,  # noqa: ARG002
    ) -> Any:
        """Leave a block where it is: each of its batches is moved when its step comes."""
        return batch

    def to_device(self, batch: Batch) -> Batch:
        """Move a batch, and augment it there where augmentation was left to the accelerator."""
        if self._device.type != "cpu":
            batch = moved(batch, self._device)
        if batch.later is None:
            return batch
        assert self._augmenter.plan is not None
        drawn = draws.draw(self._augmenter.plan, self._seed, *batch.later)
        images = on_device.apply(batch.images, drawn, self._augmenter.plan)
        return batch._replace(images=images, later=None)

    def _on_accelerator(self) -> bool:
        """Return whether the accelerator supports the policy; images are mixed on the CPU."""
        if self._device.type == "cpu" or self._inputs.policy["mixing"]:
            return False
        return self._augmenter.plan is not None and not self._augmenter.is_identity


def block_size(batch_size: int, image_shape: tuple[int, ...]) -> int:
    """Return how many batches are read and augmented at once."""
    images = BLOCK_BYTES // int(np.prod(image_shape))
    return min(BLOCK_STEPS, max(1, images // batch_size))


def _as_it_is(batch: Any) -> Any:
    return batch  # tensors already; torch's own conversion would look into each
