"""Looks for a loss that is not finite, and says in which step, at what rate, of which samples."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer

from pipeline.training.attempts import slow_down
from pipeline.training.batches import Block
from pipeline.training.module import ConvoyModule


class Divergence(Callback):
    """Stops the fit, or has it begin anew from the last epoch's end at half the rate.

    Args:
        folder: of the fit's checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_train_batch_end(  # type: ignore[override]
        self,
        trainer: Trainer,
        module: ConvoyModule,
        outputs: dict[str, Any],
        batch: Block,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Look at the losses of a block's steps, on all devices."""
        is_bad = ~torch.isfinite(outputs["losses"])
        if trainer.world_size > 1:
            is_bad = trainer.strategy.reduce(is_bad.float(), reduce_op="sum") > 0
        if bool(is_bad.any()):
            raise self._diverged(trainer, module, batch, int(is_bad.nonzero()[0]))

    def _diverged(
        self, trainer: Trainer, module: ConvoyModule, block: Block, place: int
    ) -> Exception:
        batch = block.first + place
        step = block.epoch * module.num_batches + batch
        ids = ", ".join(module.data.ids(block.epoch, batch)[:5])
        told = (
            f"the loss is not finite in step {step} (epoch {block.epoch + 1}, lr "
            f"{module.lr(step):.3g}, samples {ids}, …)"
        )
        trainer.strategy.barrier()  # no process reads or writes what another is about to change
        if not trainer.is_global_zero:
            raise SystemExit(1)  # the first process says it
        return slow_down(self._folder, told, may_recover=module.settings.on_divergence == "recover")
