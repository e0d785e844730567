"""The whole state of a fit on disk: written at once or not at all.

`epoch.pt` is the state at the last epoch's end, `middle.pt` one from within an epoch. What comes
back goes on to the bits that an uninterrupted fit would have had: order, augmentation, learning
rate and dropout are functions of (seed, epoch, step) and need no state of their own.
"""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import UserError

EPOCH, MIDDLE, BEST = "epoch.pt", "middle.pt", "best.pt"


@dataclass
class State:
    """Where a fit stands."""

    network: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    """Epochs that are done."""
    batch: int = 0
    """Batches of the epoch under way that are done."""
    losses: list[float] = field(default_factory=list)
    """Of these batches, on every device: what an epoch's figures are made of."""
    history: list[dict[str, float]] = field(default_factory=list)
    """The figures of all epochs that are done."""
    average: dict[str, Any] | None = None
    """The running mean of the weights, where one is kept."""
    lr_scale: float = 1.0
    """Below 1 where a fit has diverged and was taken back."""


def save(state: State, path: Path) -> None:
    """Write to a temporary name, then rename.

    Raises:
        UserError: the disk is full; the checkpoint before stays.
    """
    write(vars(state), path)


def write(content: Any, path: Path) -> None:
    """`torch.save`, whole or not at all; raises as `save` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    try:
        with unfinished.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        unfinished.unlink(missing_ok=True)
        if not is_full(error, path):
            raise
        raise UserError(
            f"{path.parent}: the disk is full; the last checkpoint is kept, make room and run the "
            "same command again"
        ) from None
    unfinished.replace(path)


def load(folder: Path) -> State | None:
    """The latest state in the folder; None for a fit that has not begun."""
    states = [_read(folder / name) for name in (EPOCH, MIDDLE) if (folder / name).is_file()]
    return max(states, key=lambda state: (state.epoch, state.batch), default=None)


def load_epoch(folder: Path) -> State:
    """The state at the last epoch's end, where a diverged fit is taken back to."""
    return _read(folder / EPOCH)


def is_full(error: Exception, path: Path) -> bool:
    """torch reports a full disk as a RuntimeError of its own."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return os.statvfs(path.parent).f_bavail == 0 or "file write failed" in str(error)


def _read(path: Path) -> State:
    return State(**torch.load(path, map_location="cpu", weights_only=True))
