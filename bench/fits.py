"""One fit in this process, for benchmarks to time."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.hardware import Hardware
from pipeline.config.recipes import Recipe
from pipeline.core.component import make
from pipeline.core.run_log import Spool
from pipeline.execution.job import Job
from pipeline.models.network import Network
from pipeline.training.callbacks.metrics_recorder import MetricsRecorder
from pipeline.training.datamodule import Inputs
from pipeline.training.fit import fit

FP32 = Hardware(accelerator="cpu", precision="fp32", memory_format="channels_last")


def fitted(recipe: Recipe, inputs: Inputs, **job: Any) -> Network:
    """Train silently and delete all files afterwards.

    Args:
        job: the settings that differ from seed 0 and fp32 on one CPU.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        spool = Spool(Path(folder) / "spool")
        spool.open("bench", {"fingerprint": "", "stage": "train"})
        plain = {
            "title": "bench",
            "task": make("task", "multiclass"),
            "seed": 0,
            "hardware": FP32,
        }
        own = {"recipe": recipe, "folder": folder, "spool": f"{spool.folder}"}
        network = fit(Job(**{**plain, **own, **job}), inputs)
    assert network
    return network


def epoch_s(recipe: Recipe, inputs: Inputs, **job: Any) -> float:
    """Return the seconds of an epoch: the mean of all but the first, which excludes the start."""
    tell = MetricsRecorder.on_validation_end
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times"

        def noting(self: MetricsRecorder, trainer: Any, module: Any) -> None:
            tell(self, trainer, module)
            if trainer.is_global_zero:
                with times.open("a") as file:
                    file.write(f"{time.monotonic()}\n")

        MetricsRecorder.on_validation_end = noting  # type: ignore[method-assign]
        try:
            fitted(recipe, inputs, **job)
        finally:
            MetricsRecorder.on_validation_end = tell  # type: ignore[method-assign]
        noted = [float(line) for line in times.read_text().split()]
    return (noted[-1] - noted[0]) / (len(noted) - 1)


def together_s(num: int, recipe: Recipe, inputs: Inputs, **job: Any) -> float:
    """Return the mean of `epoch_s` over `num` simultaneous fits, each in a fork of this process."""
    context = get_context("fork")
    found: SimpleQueue[float] = context.SimpleQueue()
    forks = [
        context.Process(target=lambda: found.put(epoch_s(recipe, inputs, **job)))
        for _ in range(num)
    ]
    for fork in forks:
        fork.start()
    for fork in forks:
        fork.join()
        assert fork.exitcode == 0
    return float(np.mean([found.get() for _ in forks]))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the output, also of processes that are forked inside."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(nowhere)
        os.close(kept)
