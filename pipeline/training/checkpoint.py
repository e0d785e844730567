"""Checkpoint files, written completely or not at all.

`epoch.ckpt` is the state at the end of the last epoch, `middle.ckpt` a state within an epoch, and
`best.ckpt` the weights of the best epoch. Order, augmentation, learning rate and dropout are
functions of (seed, epoch, step) and need no state of their own.
"""

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from pipeline.core.errors import FULL, UserError

EPOCH, MIDDLE, BEST = "epoch.ckpt", "middle.ckpt", "best.ckpt"


class DurableCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint under a temporary name, flushes it to disk, and then renames it."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any = None,  # noqa: ARG002
    ) -> None:
        """Save the checkpoint.

        Raises:
            UserError: the disk is full; the previous checkpoint is kept.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        try:
            with unfinished.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            unfinished.unlink(missing_ok=True)
            if not _is_full(error, path):
                raise
            raise full(path.parent) from None
        unfinished.replace(path)


def latest(folder: Path) -> Path | None:
    """Return the checkpoint from which a fit resumes; None where it has to start from scratch.

    Raises:
        UserError: it is damaged, or that of the best epoch is, which the fit needs at the end.
    """
    if (folder / EPOCH).is_file():
        if not (folder / BEST).is_file():
            raise damaged(folder / BEST)
        read(folder / BEST)
    found = [folder / name for name in (EPOCH, MIDDLE) if (folder / name).is_file()]
    return max(found, key=lambda path: int(read(path)["global_step"]), default=None)


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint; its tensors are loaded when they are used.

    Raises:
        UserError: the file is damaged.
    """
    path.open("rb").close()  # raises the right error for a missing or forbidden file
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, ValueError, OSError, EOFError, UnpicklingError):
        raise damaged(path) from None
    return content


def full(folder: Path) -> UserError:
    """Return an error that says the disk is full."""
    return UserError(
        f"{folder}: the disk is full; the last checkpoint is kept; free some space and run the "
        "same command again"
    )


def damaged(path: Path) -> UserError:
    """Return an error for an unreadable file of the fit: the disk has lost part of it."""
    return UserError(
        f"{path}: damaged and cannot be read; delete {path.parent} and run the same command "
        "again to restart the fit"
    )


def _is_full(error: Exception, path: Path) -> bool:
    """Return whether the disk is full, which torch reports as a RuntimeError of its own."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return os.statvfs(path.parent).f_bavail == 0 or "file write failed" in str(error)
