"""One fit: a recipe, a seed and packed data in; the best epoch's network out."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from pipeline import cpu, launch
from pipeline.component import Component, load, resolve
from pipeline.losses._standardised import standardised
from pipeline.network import Network
from pipeline.params import Hardware, Recipe, monitor
from pipeline.precision import choose
from pipeline.training.balance import loss_weights
from pipeline.training.batch_norm import globalise
from pipeline.training.checkpoint import BEST
from pipeline.training.compiling import compile_body
from pipeline.training.data import Data, Inputs
from pipeline.training.devices import fabric_of, on_all, spread
from pipeline.training.lightning import Fabric
from pipeline.training.loop import Loop
from pipeline.training.optimisers.build import build
from pipeline.training.optimisers.groups import groups
from pipeline.training.plan import Loss, Plan, Record, scores_of
from pipeline.training.progress import Bar, Lines, shows_bars
from pipeline.training.transfer import blocks


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
    init_seed: int | None = None
    """Of the fresh weights, where it is not `seed`."""

    def network(self) -> Network:
        """With fresh weights."""
        num_outputs = load("task", self.task).num_outputs(len(self.inputs.card.classes))
        shape = tuple(self.inputs.policy["output_shape"])
        seed = self.seed if self.init_seed is None else self.init_seed
        return Network.create(self.recipe.model, self.inputs.card, shape, num_outputs, seed)


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
    init_seed: int | None = None,
) -> Network | None:
    """Train on train, and keep the epoch that is best by what the task has one watch.

    Args:
        record: receives the figures of each epoch, in the first device's process.
        folder: for checkpoints. A fit that finds some there goes on from them, to the bits that it
            would have had; so the folder belongs to one recipe, seed and data.
        title: what the progress lines are called.
        init_seed: of the fresh weights, where it is not `seed`.

    Returns:
        The network, in its best epoch; None in all processes but the first of a launch.

    Raises:
        UserError: the loss is not finite, or the disk is full, or a process was killed.
        RankError: one of several devices failed; the others were ended.
    """
    job = Job(recipe, inputs, task, seed, hardware, record, folder, title, init_seed)
    on_all(hardware, partial(_train, job))
    place = launch.place()
    if place and place.rank > 0:
        return None
    network = job.network()
    network.load_state_dict(torch.load(folder / BEST, map_location="cpu", weights_only=True))
    return network.arrange(choose(hardware, fabric_of(hardware).device, network.body))


def _train(job: Job) -> None:
    fabric = fabric_of(job.hardware)
    fabric.launch()
    cpu.use(job.hardware.threads)  # the launch may have set its own
    draws_bar = fabric.is_global_zero and shows_bars()
    plan = plan_of(fabric, job, Bar if draws_bar else Lines)
    if fabric.is_global_zero and "auto" in (job.hardware.precision, job.hardware.memory_format):
        print(f"{job.title}: {plan.network.arithmetic}", flush=True)
    if job.hardware.compile:
        compile_body(plan.network)
    Loop(fabric, plan).run()


def plan_of(fabric: Fabric, job: Job, progress: type[Bar] | type[Lines]) -> Plan:
    """The network, the data and all else that a loop on this device needs."""
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
    network.arrange(choose(job.hardware, fabric.device, network.body))
    if fabric.world_size > 1:
        globalise(network)
    spread(network, fabric)
    found = blocks(network.body)
    return Plan(
        network=network,
        blocks=found,
        optimizer=build(
            settings.optimiser,
            groups(
                found,
                lr=settings.lr,
                weight_decay=settings.weight_decay,
                lr_decay_by_depth=settings.transfer.lr_decay_by_depth,
            ),
        ),
        loss=_loss(job, fabric.device),
        scores=scores_of(job.task, job.inputs.card.target_scale),
        monitor=monitor(job.task),
        data=data,
        settings=settings,
        seed=job.seed,
        record=job.record,
        progress=progress(job.title, settings, data.sampler.num_batches),
        folder=job.folder,
    )


def _loss(job: Job, device: torch.device) -> Loss:
    """Of logits and of targets in their own units."""
    losses, own = resolve("loss", job.recipe.loss)
    rule, card, weights = job.recipe.training.class_weights, job.inputs.card, None
    if rule:
        by_class = loss_weights(job.inputs.train.targets, len(card.classes), rule)
        weights = torch.from_numpy(by_class).float().to(device)
    loss: Loss = losses.build(own, weights)
    if not card.target_scale:
        return loss
    mean, std = torch.tensor(card.target_scale, device=device)
    return standardised(loss, mean, std)
