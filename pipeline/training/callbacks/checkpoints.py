"""Saves checkpoints: at the end of each epoch, every minute, and before leaving on SIGTERM."""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Checkpoint

from pipeline.execution.messages import LEFT
from pipeline.training.batches import Block
from pipeline.training.checkpoint import BEST, EPOCH, MIDDLE
from pipeline.training.module import ConvoyModule

INTERVAL_S = 60.0  # between two checkpoints within an epoch


class Checkpoints(Checkpoint):
    """Saves the state of a fit; Lightning calls a `Checkpoint` after all other callbacks.

    Lightning's own `ModelCheckpoint` saves by time under automatic optimisation alone, forgets the
    best epoch where the folder has moved, and does not notice a SIGTERM sent to one process of
    many. Lightning's handler of SIGTERM calls a collective within the signal handler, anywhere in a
    step.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_asked_to_leave = False

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Handle SIGTERM in place of Lightning, which restores the previous handler at the end."""
        self._saved_s = time.monotonic()
        signal.signal(signal.SIGTERM, self._ask_to_leave)

    def on_train_batch_end(  # type: ignore[override]
        self,
        trainer: Trainer,
        module: ConvoyModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Block,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Save after a block when it is time, and leave if any process was asked to."""
        if trainer.is_last_batch:
            return  # the epoch's end saves, after validation
        is_due = trainer.is_global_zero and time.monotonic() - self._saved_s > INTERVAL_S
        leaves, saves = self._any(trainer, self._is_asked_to_leave), self._any(trainer, is_due)
        if leaves or saves:
            self._save(trainer, MIDDLE)
        if leaves:
            raise SystemExit(LEFT)

    def on_validation_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Keep the validated weights if no earlier epoch was better."""
        if module.is_best:
            trainer.save_checkpoint(self._folder / BEST, weights_only=True)

    def on_train_epoch_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Save the state at the end of the epoch."""
        self._save(trainer, EPOCH)
        if trainer.is_global_zero:
            (self._folder / MIDDLE).unlink(missing_ok=True)
        if self._any(trainer, self._is_asked_to_leave):
            raise SystemExit(LEFT)

    def _save(self, trainer: Trainer, name: str) -> None:
        trainer.save_checkpoint(self._folder / name)
        self._saved_s = time.monotonic()

    def _any(self, trainer: Trainer, decision: bool) -> bool:
        """Return whether any process has decided so."""
        return trainer.strategy.reduce_boolean_decision(decision, all=False)

    def _ask_to_leave(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._is_asked_to_leave = True
