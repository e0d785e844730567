"""One fit: a recipe, a seed and packed data in; the best epoch's network out."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.component import Component, load, resolve
from pipeline.errors import UserError
from pipeline.network import Network
from pipeline.params import Hardware, Recipe
from pipeline.training.balance import class_weights
from pipeline.training.batch_norm import globalise
from pipeline.training.checkpoint import BEST
from pipeline.training.data import Data, Inputs
from pipeline.training.lightning import DDPStrategy, Fabric, Strategy
from pipeline.training.loop import Loop, Plan, Record
from pipeline.training.optimisers.build import build
from pipeline.training.optimisers.groups import groups
from pipeline.training.progress import Bar, Lines, shows_bars

ERROR_FILE = "error.txt"


@dataclass(frozen=True)
class Job:
    """What is asked for, as every process of the fit is given it."""

    recipe: Recipe
    inputs: Inputs
    task: Component
    seed: int
    hardware: Hardware
    record: Record
    folder: Path
    title: str

    def network(self) -> Network:
        """With fresh weights."""
        num_outputs = load("task", self.task).num_outputs(len(self.inputs.card.classes))
        shape = tuple(self.inputs.policy["output_shape"])
        network = Network.create(self.recipe.model, self.inputs.card, shape, num_outputs, self.seed)
        return network.arrange(self.hardware.memory_format)


def fit(
    recipe: Recipe,
    inputs: Inputs,
    *,
    task: Component,
    seed: int,
    hardware: Hardware,
    record: Record,
    folder: Path,
    title: str,
) -> Network:
    """Train on train, and keep the epoch with the lowest val/log_loss.

    Args:
        record: receives the figures of each epoch, in the first device's process.
        folder: for checkpoints. A fit that finds some there goes on from them, to the bits that it
            would have had; so the folder belongs to one recipe, seed and data.
        title: what the progress lines are called.

    Raises:
        UserError: the loss is not finite, or the disk is full.
    """
    torch.set_num_threads(hardware.threads)
    fabric = Fabric(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=_strategy(hardware),
        precision="bf16-mixed" if hardware.precision == "bf16" else "32-true",
    )
    job = Job(recipe, inputs, task, seed, hardware, record, folder, title)
    _launch(fabric, job)
    network = job.network()
    network.load_state_dict(torch.load(folder / BEST, map_location="cpu", weights_only=True))
    return network


def _launch(fabric: Fabric, job: Job) -> None:
    """Run the loop here or in forked processes; a user's mistake comes back as one line."""
    told = job.folder / ERROR_FILE
    told.unlink(missing_ok=True)
    try:
        fabric.launch(partial(_train, job=job))
    except Exception:
        if told.is_file():
            raise UserError(told.read_text()) from None
        raise


def _train(fabric: Fabric, job: Job) -> None:
    try:
        Loop(fabric, _plan(fabric, job)).run()
    except UserError as error:
        if fabric.world_size == 1:
            raise
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / ERROR_FILE).write_text(str(error))
        raise SystemExit(1) from None


def _plan(fabric: Fabric, job: Job) -> Plan:
    settings = job.recipe.training
    data = Data(
        job.inputs,
        settings,
        job.seed,
        num_workers=job.hardware.loader_workers,
        rank=fabric.global_rank,
        world=fabric.world_size,
        device=fabric.device,
    )
    network = job.network()
    if fabric.world_size > 1:
        globalise(network)
    losses, own = resolve("loss", job.recipe.loss)
    named = [list(network.named_parameters())]
    draws_bar = fabric.is_global_zero and shows_bars()
    return Plan(
        network=network,
        optimizer=build(
            settings.optimiser,
            groups(named, lr=settings.lr, weight_decay=settings.weight_decay),
        ),
        loss=losses.build(own, _class_weights(job.recipe, job.inputs)),
        task=load("task", job.task),
        data=data,
        settings=settings,
        seed=job.seed,
        record=job.record,
        progress=(Bar if draws_bar else Lines)(job.title, settings, data.sampler.num_batches),
        folder=job.folder,
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
