"""The samples of each batch: a function of (seed, epoch), whatever the number of devices."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from torch.utils.data import Sampler

from pipeline.core.errors import UserError
from pipeline.training.balance import Resampling, Sampling, drawn, resampled


class Step(NamedTuple):
    """One global batch."""

    epoch: int
    batch: int
    rows: Int[np.ndarray, " b"]
    copies: Int[np.ndarray, " b"]
    """How often each row has occurred in this epoch before."""


class Shuffled(Sampler[list[Step]]):
    """The batches of an epoch, in blocks that are read and augmented together.

    The last samples that do not fill a batch are left out of this epoch. To start within an epoch,
    as after a checkpoint, set `first_batch`, which holds for one epoch.
    """

    def __init__(
        self,
        targets: np.ndarray,
        batch_size: int,
        seed: int,
        *,
        sampling: Sampling = "natural",
        resampling: Resampling = "over",
        block_size: int = 1,
    ) -> None:
        self._by_class = _classes(targets, sampling)
        counts = np.array([len(rows) for rows in self._by_class])
        self._wanted: list[int] = resampled(counts, sampling, resampling).tolist()
        if batch_size > sum(self._wanted):
            raise UserError(
                f"training.batch_size: got {batch_size}; allowed at most the {sum(self._wanted)} "
                "training images of an epoch"
            )
        self._batch_size, self._seed, self._block_size = batch_size, seed, block_size
        self.epoch, self.first_batch = 0, 0

    @property
    def num_batches(self) -> int:
        """The number of batches in one whole epoch."""
        return sum(self._wanted) // self._batch_size

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; to be called before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of blocks in one whole epoch."""
        return math.ceil(self.num_batches / self._block_size)

    def __iter__(self) -> Iterator[list[Step]]:
        first, self.first_batch = self.first_batch, 0
        steps = self._steps(self.epoch)[first:]
        for start in range(0, len(steps), self._block_size):
            yield steps[start : start + self._block_size]

    def step(self, epoch: int, batch: int) -> Step:
        """Return one global batch."""
        return self._steps(epoch)[batch]

    def _steps(self, epoch: int) -> list[Step]:
        rows, copies = self._order(epoch)
        parts = [
            slice(i * self._batch_size, (i + 1) * self._batch_size) for i in range(self.num_batches)
        ]
        return [Step(epoch, i, rows[part], copies[part]) for i, part in enumerate(parts)]

    def _order(self, epoch: int) -> tuple[Int[np.ndarray, " w"], Int[np.ndarray, " w"]]:
        generator = np.random.default_rng((self._seed, epoch))
        picks = [
            drawn(len(rows), wanted, generator)
            for rows, wanted in zip(self._by_class, self._wanted, strict=True)
        ]
        rows = np.concatenate(
            [own[pick] for own, (pick, _) in zip(self._by_class, picks, strict=True)]
        )
        copies = np.concatenate([copies for _, copies in picks])
        order = generator.permutation(len(rows))
        return rows[order], copies[order]


class Ordered(Sampler[Int[np.ndarray, " b"]]):
    """Every sample exactly once over all devices, and equally many batches on each.

    A device that has no sample left for its last batch gets an empty one: where weights are
    sharded, all devices have to compute together.
    """

    def __init__(self, num_samples: int, batch_size: int, rank: int, world: int) -> None:
        rows = np.arange(num_samples)[rank::world]
        most = math.ceil(num_samples / world)
        self._batches = [rows[i : i + batch_size] for i in range(0, most, batch_size)]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Int[np.ndarray, " b"]]:
        return iter(self._batches)


def _classes(targets: np.ndarray, sampling: Sampling) -> list[Int[np.ndarray, " n"]]:
    """Return the rows of each class; all rows as one class where classes do not matter."""
    if sampling == "natural":
        return [np.arange(len(targets))]
    if targets.ndim != 1:
        raise UserError(
            f"training.sampling: got {sampling}, but the images have no single class; allowed "
            "natural"
        )
    return [np.flatnonzero(targets == label) for label in np.unique(targets)]
