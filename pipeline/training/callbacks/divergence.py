"""Detects values that are not finite, and reports the step, the learning rate and the samples."""

import math
from pathlib import Path
from typing import Any, NoReturn

import torch
from pytorch_lightning import Callback, Trainer

from pipeline.training.attempts import slow_down
from pipeline.training.batches import Block
from pipeline.training.module import ConvoyModule
from pipeline.training.sharding import local


class Divergence(Callback):
    """Stops the fit, or has it start again from the last epoch's end at half the learning rate.

    Args:
        folder: the folder of the fit's checkpoints.
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
        """Check the losses of a block's steps on all devices."""
        is_bad = ~torch.isfinite(outputs["losses"])
        if trainer.world_size > 1:
            is_bad = trainer.strategy.reduce(is_bad.float(), reduce_op="sum") > 0
        if bool(is_bad.any()):
            self._stop(trainer, module, _in_step(module, batch, int(is_bad.nonzero()[0])))

    def on_validation_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Check the weights before they are saved: the last step may have spoilt them."""
        state = module.network.state_dict()
        norms = torch._foreach_norm(
            local({k: v for k, v in state.items() if v.is_floating_point()})
        )
        is_bad = ~torch.isfinite(torch.stack([norm.float() for norm in norms])).all()
        if trainer.strategy.reduce_boolean_decision(bool(is_bad), all=False):
            self._stop(trainer, module, f"the weights are not finite {_at_end(trainer)}")

    def on_validation_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Check the monitored metric, which decides the best epoch."""
        value = module.history[-1][module.monitor]
        if not math.isfinite(value):
            self._stop(trainer, module, f"{module.monitor} is {value} {_at_end(trainer)}")

    def _stop(self, trainer: Trainer, module: ConvoyModule, diverged: str) -> NoReturn:
        trainer.strategy.barrier()  # no process reads or writes what another is about to change
        if not trainer.is_global_zero:
            raise SystemExit(1)  # the first process reports it
        may_recover = module.settings.on_divergence == "recover"
        raise slow_down(self._folder, diverged, may_recover=may_recover)


def _in_step(module: ConvoyModule, block: Block, place: int) -> str:
    batch = block.first + place
    step = block.epoch * module.num_batches + batch
    ids = ", ".join(module.data.ids(block.epoch, batch)[:5])
    return (
        f"the loss is not finite in step {step} (epoch {block.epoch + 1}, lr "
        f"{module.lr(step):.3g}, samples {ids}, …)"
    )


def _at_end(trainer: Trainer) -> str:
    return f"at the end of epoch {trainer.current_epoch + 1}"
