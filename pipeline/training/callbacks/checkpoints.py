"""Keeps the state of a fit on disk: where an epoch ends, every minute, and when it has to leave."""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Checkpoint

from pipeline.training.batches import Block
from pipeline.training.checkpoint import BEST, EPOCH, MIDDLE
from pipeline.training.module import ConvoyModule
from pipeline.training.start import LEFT

INTERVAL_S = 60.0  # between two checkpoints within an epoch


class Checkpoints(Checkpoint):
    """Lightning calls what is a `Checkpoint` last, when all others are done with an epoch.

    Its own `ModelCheckpoint` saves by time under automatic optimisation alone, forgets the best
    epoch where the folder has moved, and knows of no SIGTERM that one process of many is sent.
    Lightning's handler of SIGTERM calls a collective within the signal, at any place of a step.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_asked_to_leave = False

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Listen to SIGTERM in place of Lightning, which restores the handler before at the end."""
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
        """Save after a block where it is time, and leave where any process was asked to."""
        if trainer.is_last_batch:
            return  # the epoch's end saves, after validation
        is_due = trainer.is_global_zero and time.monotonic() - self._saved_s > INTERVAL_S
        leaves, saves = self._any(trainer, self._is_asked_to_leave), self._any(trainer, is_due)
        if leaves or saves:
            self._save(trainer, MIDDLE)
        if leaves:
            raise SystemExit(LEFT)

    def on_validation_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Keep the weights that were validated where no epoch was better."""
        if module.is_best:
            trainer.save_checkpoint(self._folder / BEST, weights_only=True)

    def on_train_epoch_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Save the state at the epoch's end."""
        self._save(trainer, EPOCH)
        if trainer.is_global_zero:
            (self._folder / MIDDLE).unlink(missing_ok=True)
        if self._any(trainer, self._is_asked_to_leave):
            raise SystemExit(LEFT)

    def _save(self, trainer: Trainer, name: str) -> None:
        trainer.save_checkpoint(self._folder / name)
        self._saved_s = time.monotonic()

    def _any(self, trainer: Trainer, decision: bool) -> bool:
        """Whether any process has decided so."""
        return trainer.strategy.reduce_boolean_decision(decision, all=False)

    def _ask_to_leave(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._is_asked_to_leave = True
