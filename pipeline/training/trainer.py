"""Builds Lightning's `Trainer` from the recipe and the hardware."""

import logging
import os
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.profilers import (
    AdvancedProfiler,
    Profiler,
    PyTorchProfiler,
    SimpleProfiler,
)
from pytorch_lightning.strategies import (
    DDPStrategy,
    ModelParallelStrategy,
    Strategy,
    StrategyRegistry,
)

from pipeline.config import callbacks as lightning_callbacks
from pipeline.config.hardware import Hardware
from pipeline.core.component import load, names
from pipeline.core.errors import UserError
from pipeline.core.run_log import Spool
from pipeline.execution.job import Job
from pipeline.execution.progress import TABLE
from pipeline.models.device import choose_device
from pipeline.training.batch_norm import GlobalBatchNorm
from pipeline.training.batches import Block, ValBatch
from pipeline.training.callbacks.checkpoints import Checkpoints
from pipeline.training.callbacks.divergence import Divergence
from pipeline.training.callbacks.early_stopping import EarlyStopping
from pipeline.training.callbacks.epoch_lines import EpochLines
from pipeline.training.callbacks.metrics_recorder import MetricsRecorder
from pipeline.training.callbacks.stop_at_epoch import StopAtEpoch
from pipeline.training.callbacks.weight_averaging import WeightAveraging
from pipeline.training.checkpoint import DurableCheckpoints
from pipeline.training.logger import SpoolLogger

PROFILES = Path(".convoy/profiles")
LOG_STEPS = 16  # how often Lightning's callbacks log, unless a block is longer
PROFILERS: dict[str, type[Profiler]] = {
    "simple": SimpleProfiler,
    "advanced": AdvancedProfiler,
    "pytorch": PyTorchProfiler,
}

# Lightning advertises, and repeats advice that does not apply to a loader of whole blocks.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning")
warnings.filterwarnings("ignore", module="lightning_fabric")


def trainer_of(job: Job, monitor: str, block_size: int) -> Trainer:
    """Build the trainer of one fit.

    Args:
        monitor: the metric to be minimised.
        block_size: the number of steps in one of Lightning's batches.

    Raises:
        UserError: this machine does not have the hardware, or a callback refuses its arguments.
    """
    hardware, settings, folder = job.hardware, job.recipe.training, Path(job.folder)
    device_type = choose_device(hardware.accelerator).type
    logger = SpoolLogger(Spool(Path(job.spool)))
    try:
        trainer = Trainer(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            num_nodes=hardware.num_nodes,
            strategy=_strategy(hardware, job.execution.timeout_s),
            plugins=_plugins(hardware, device_type),
            logger=logger,
            callbacks=_callbacks(job, monitor, logger),
            max_epochs=settings.epochs,
            num_sanity_val_steps=0,
            log_every_n_steps=max(1, LOG_STEPS // block_size),
            enable_progress_bar=sys.stderr.isatty() and TABLE not in os.environ,
            enable_model_summary=False,
            use_distributed_sampler=False,  # ours splits a global batch without padding
            profiler=_profiler(job),
            default_root_dir=folder,
        )
    except (MisconfigurationException, ValueError, ImportError) as error:
        first, *_ = str(error).strip().splitlines()
        raise UserError(f"hardware: {first}") from None
    logger.step = lambda: trainer.global_step
    return trainer


def _strategy(hardware: Hardware, timeout_s: int) -> Strategy | str:
    """Return the strategy: the one registered under the name, with our time limit."""
    if hardware.world == 1 and hardware.strategy == "auto":
        return "auto"
    timeout = timedelta(seconds=timeout_s)
    if hardware.strategy == "fsdp":  # its second version, which runs on CPUs too
        return ModelParallelStrategy(
            data_parallel_size=hardware.world,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
            timeout=timeout,
        )
    name = "ddp" if hardware.strategy == "auto" else hardware.strategy
    registered: Any = StrategyRegistry[name]
    own: dict[str, Any] = {**registered["init_params"], "timeout": timeout}
    if registered["strategy"] is DDPStrategy:
        own["broadcast_buffers"] = False  # batch norm is global: its buffers are equal everywhere
    strategy: Strategy = registered["strategy"](**own)
    return strategy


def _plugins(hardware: Hardware, device_type: str) -> list[Any]:
    sync = [GlobalBatchNorm(device_type)] if hardware.world > 1 else []
    return [DurableCheckpoints(), environment(hardware), *sync]


def environment(hardware: Hardware) -> ClusterEnvironment:
    """Return the cluster environment, which depends on what has started the processes.

    Raises:
        UserError: the number of processes differs from the number of devices.
    """
    env, world = os.environ, hardware.world
    # Within a SLURM allocation every process sees its tasks; those of srun see their own step.
    num_tasks = int(env.get("SLURM_STEP_NUM_TASKS", 1))
    if world > 1 and "TORCHELASTIC_RUN_ID" in env:
        _refuse_unless(hardware, "torchrun", int(env["WORLD_SIZE"]))
        return TorchElasticEnvironment()
    if world > 1 and num_tasks > 1:
        _refuse_unless(hardware, "srun", num_tasks)
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment()


def _refuse_unless(hardware: Hardware, by: str, num_processes: int) -> None:
    if num_processes != hardware.world:
        raise UserError(
            f"hardware.devices × num_nodes: got {hardware.devices} × {hardware.num_nodes}, but "
            f"{by} started {num_processes} processes; start one for each device"
        )


def _profiler(job: Job) -> Profiler | None:
    chosen = job.execution.profiler
    if chosen is None:
        return None
    return PROFILERS[chosen](dirpath=PROFILES / job.title.replace(" ", "_"), filename=chosen)


def _callbacks(job: Job, monitor: str, logger: SpoolLogger) -> list[Callback]:
    settings, folder = job.recipe.training, Path(job.folder)
    made: list[Callback] = [Divergence(folder)]
    if settings.average:
        made.append(WeightAveraging(settings.average))
    made.append(MetricsRecorder(logger))
    made += map(_named, settings.callbacks)
    made.append(EpochLines(job.title, folder))
    if settings.patience is not None:
        made.append(EarlyStopping(monitor, patience=settings.patience, check_finite=False))
    if job.until_epoch is not None:
        made.append(StopAtEpoch(job.until_epoch))
    return [*made, Checkpoints(folder)]


def _num_images(batch: Block | ValBatch) -> int:
    parts = batch.batches if isinstance(batch, Block) else [batch]
    return sum(len(part.images) for part in parts)


def _named(chosen: Any) -> Callback:
    """Build a callback that the recipe names: one of ours, or one of Lightning's."""
    if chosen.name in names("callback"):
        module = load("callback", chosen)
        built: Callback = module.build(chosen)
        return built
    kind = getattr(pytorch_lightning.callbacks, lightning_callbacks.class_name(chosen.name))
    own = {"batch_size_fn": _num_images} if chosen.name == "throughput_monitor" else {}
    try:
        made: Callback = kind(**own, **chosen.arguments)
    except (MisconfigurationException, ImportError, TypeError, ValueError) as error:
        raise UserError(f"training.callbacks: {chosen.name}: {error}") from None
    return made
