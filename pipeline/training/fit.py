"""One fit: it turns a recipe, a seed and packed data into the network of the best epoch."""

import copy
import csv
import subprocess
import time
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch.distributed import DistStoreError

from pipeline.core.component import load
from pipeline.core.environment import environment
from pipeline.core.errors import FULL, UserError
from pipeline.core.run_log import Spool
from pipeline.execution.job import Job
from pipeline.execution.messages import ended_by_signal
from pipeline.models import cpu
from pipeline.models.network import Network
from pipeline.models.precision import choose
from pipeline.models.provenance import describe
from pipeline.training import checkpoint
from pipeline.training.attempts import Attempts, shrink
from pipeline.training.compiling import compile_body
from pipeline.training.datamodule import DataModule, Inputs
from pipeline.training.module import STATE, ConvoyModule
from pipeline.training.trainer import trainer_of

SETTLE_S = 1.0  # until a killed process is known to be dead


def fit(job: Job, inputs: Inputs) -> Network | None:
    """Train on train, and keep the epoch that is best by the task's monitored metric.

    Returns:
        The network of the best epoch; None in all processes but the first.

    Raises:
        UserError: the loss is not finite, the disk is full, or a process was killed.
        Again: the fit has to be started again, on the same job.
    """
    cpu.use(job.hardware.threads)
    folder, attempts = Path(job.folder), Attempts.load(Path(job.folder))
    data = DataModule(
        inputs, job.recipe.training, job.seed, num_workers=job.execution.loader_workers
    )
    module = module_of(job, inputs)
    module.lr_scale = attempts.lr_scale
    module.num_parts = data.num_parts = attempts.num_parts or module.num_parts
    trainer = trainer_of(job, module.monitor, data.block_size)
    _arrange(job, module.network, trainer)
    try:
        _refuse_single_images(module.network, data.share // data.num_parts)
        trainer.fit(module, data, ckpt_path=checkpoint.latest(folder), weights_only=True)
    except torch.OutOfMemoryError:
        raise shrink(folder, module.num_parts, data.share) from None
    except DistStoreError:
        raise UserError(
            f"execution.timeout_s: got {job.execution.timeout_s}, but not all processes of the "
            "fit connected within that time; set a larger one"
        ) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise checkpoint.full(folder) from None
        _tell_who_was_killed(trainer)
        raise
    return _finished(job, module) if trainer.is_global_zero else None


def module_of(job: Job, inputs: Inputs) -> ConvoyModule:
    """Build the module with its initial weights."""
    card, recipe = inputs.card, job.recipe
    num_outputs = load("task", job.task).num_outputs(len(card.classes))
    shape = tuple(inputs.policy["output_shape"])
    init_seed = job.seed if job.init_seed is None else job.init_seed
    return ConvoyModule(
        recipe.model_dump(),
        job.task.model_dump(),
        shape,
        num_outputs,
        seed=job.seed,
        target_scale=card.target_scale,
        class_counts=inputs.class_counts,
        network=Network.create(recipe.model, card, shape, num_outputs, init_seed),
    )


def _arrange(job: Job, network: Network, trainer: Trainer) -> None:
    """Adapt the network to the hardware; record the arithmetic and the origin of the weights."""
    device = trainer.strategy.root_device
    network.arrange(choose(job.hardware, device, network.body))
    if trainer.is_global_zero:
        Spool(Path(job.spool)).tag({**environment(), **network.arithmetic.tags()})
        if job.is_first:
            _announce(job, network)
    if job.hardware.compile:
        compile_body(network)


def _announce(job: Job, network: Network) -> None:
    """Print the origin of the weights, and the arithmetic that was chosen."""
    if origin := describe(job.recipe.model):
        print(f"{job.title}: starts from {origin}", flush=True)
    if "auto" in (job.hardware.precision, job.hardware.memory_format):
        print(f"{job.title}: {network.arithmetic}", flush=True)


def _refuse_single_images(network: Network, num_images: int) -> None:
    """Raise UserError where batch norm would see a single value for each channel in training."""
    if num_images > 1:
        return
    probe = copy.deepcopy(network).train()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            probe(torch.zeros(1, *network.input_shape, dtype=torch.uint8))
    except ValueError as error:
        raise UserError(
            "training.batch_size: got a single image for each device and part, from which batch "
            f"norm cannot compute statistics ({error}); allowed larger batches, or fewer "
            "micro_batches or devices"
        ) from None


def _tell_who_was_killed(trainer: Trainer) -> None:
    """Raise the cause where another process that this one has started was killed by a signal.

    A process that has started none gives the first one time to report that before it reports
    itself.
    """
    started: list[subprocess.Popen[Any]] = getattr(trainer.strategy.launcher, "procs", [])
    end_s = time.monotonic() + SETTLE_S
    while trainer.world_size > 1 and time.monotonic() < end_s:
        for rank, other in enumerate(started, start=1):
            if (other.poll() or 0) < 0:
                raise ended_by_signal(rank, -int(other.returncode)) from None
        time.sleep(0.01)


def _finished(job: Job, module: ConvoyModule) -> Network:
    """Return the network of the best epoch; write it and the metrics where the job wants them."""
    best = Path(job.folder) / checkpoint.BEST
    loaded = ConvoyModule.load_from_checkpoint(best, map_location="cpu", weights_only=True)
    network = loaded.network.arrange(module.network.arithmetic)
    if job.network:
        network.save(Path(job.network), job.recipe.model)
        last = checkpoint.read(Path(job.folder) / checkpoint.EPOCH)
        _write_history(last[STATE]["history"], Path(job.network) / "history.csv")
    return network


def _write_history(history: list[dict[str, float]], path: Path) -> None:
    """Write the metrics as a table, one row for each epoch."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=["epoch", *history[0]])
        table.writeheader()
        table.writerows({"epoch": i + 1, **figures} for i, figures in enumerate(history))
