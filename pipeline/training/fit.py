"""One fit: a recipe, a seed and packed data in; the best epoch's network out."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.component import Component, load, resolve
from pipeline.network import Network
from pipeline.params import MONITOR, Hardware, Recipe
from pipeline.training.balance import class_weights
from pipeline.training.data import Data, Inputs
from pipeline.training.lightning import (
    Callback,
    DDPStrategy,
    EarlyStopping,
    ModelCheckpoint,
    Strategy,
    TQDMProgressBar,
    pl,
)
from pipeline.training.module import Module, Record


def fit(
    recipe: Recipe,
    inputs: Inputs,
    *,
    task: Component,
    seed: int,
    hardware: Hardware,
    record: Record,
    scratch: Path,
    title: str,
) -> Network:
    """Train on train, and keep the epoch with the lowest val/log_loss.

    Args:
        record: receives the figures of each epoch, in the first device's process.
        scratch: an empty folder for checkpoints.
        title: what the progress lines are called.
    """
    torch.set_num_threads(hardware.threads)
    data = Data(inputs, recipe.training, seed, hardware.loader_workers)
    module = _module(recipe, inputs, task, seed, hardware, record, data.sampler.num_batches)
    checkpoint = ModelCheckpoint(
        dirpath=scratch, filename="best", monitor=MONITOR, save_weights_only=True
    )
    trainer = pl.Trainer(
        max_epochs=recipe.training.epochs,
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=_strategy(hardware),
        precision="bf16-mixed" if hardware.precision == "bf16" else "32-true",
        callbacks=[checkpoint, *_stopping(recipe.training.patience), _progress(title)],
        enable_progress_bar=sys.stderr.isatty(),
        logger=False,
        use_distributed_sampler=False,  # ours knows its device
        num_sanity_val_steps=0,
        enable_model_summary=False,
        default_root_dir=scratch,
    )
    trainer.fit(module, datamodule=data)
    held = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(held["state_dict"])
    return module.network


def _module(
    recipe: Recipe,
    inputs: Inputs,
    task: Component,
    seed: int,
    hardware: Hardware,
    record: Record,
    steps_per_epoch: int,
) -> Module:
    tasks = load("task", task)
    num_outputs = tasks.num_outputs(len(inputs.card.classes))
    losses, own = resolve("loss", recipe.loss)
    output_shape = tuple(inputs.policy["output_shape"])
    network = Network.create(recipe.model, inputs.card, output_shape, num_outputs, seed)
    return Module(
        network.arrange(hardware.memory_format),
        loss=losses.build(own, _class_weights(recipe, inputs)),
        task=tasks,
        settings=recipe.training,
        steps_per_epoch=steps_per_epoch,
        seed=seed,
        record=record,
    )


def _class_weights(recipe: Recipe, inputs: Inputs) -> Tensor | None:
    rule = recipe.training.class_weights
    if rule is None:
        return None
    counts = np.bincount(inputs.train.targets, minlength=len(inputs.card.classes))
    return torch.from_numpy(class_weights(counts, rule)).float()


def _strategy(hardware: Hardware) -> Strategy | str:
    """Forked processes: they start in a second, and code after the fit runs once."""
    if hardware.devices == 1:
        return "auto"
    # Batch norm is global and its buffers equal on all devices: nothing to broadcast.
    return DDPStrategy(start_method="fork", broadcast_buffers=False)


def _stopping(patience: int | None) -> list[Callback]:
    return [EarlyStopping(MONITOR, patience=patience)] if patience else []


def _progress(title: str) -> Callback:
    return TQDMProgressBar() if sys.stderr.isatty() else Lines(title)


class Lines(Callback):
    """One line an epoch, where there is no terminal to draw a bar on."""

    def __init__(self, title: str) -> None:
        self.title = title

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        if trainer.is_global_zero:
            figures = {k: float(v) for k, v in sorted(trainer.callback_metrics.items())}
            text = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
            print(
                f"{self.title}  epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {text}",
                flush=True,
            )
