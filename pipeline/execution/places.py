"""Finds out how many fits this machine has room for, and which device each of them may use."""

import os
from typing import Literal

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.core.errors import UserError
from pipeline.execution.fork_server import num_gpus
from pipeline.execution.slots import Place, on_cpu, on_gpus


def places(
    parallel_fits: int | Literal["auto"],
    fits_per_device: int,
    execution: Execution,
    hardware: Hardware,
) -> list[Place]:
    """Return a place for each fit that may run at once.

    Raises:
        UserError: a GPU is wanted and there is none, or more are wanted for a fit than there are.
    """
    if execution.command or hardware.num_nodes > 1:
        return on_cpu(1)  # the launcher decides on the devices
    gpus = visible_gpus() if hardware.accelerator != "cpu" else []
    if not gpus and hardware.accelerator == "gpu":
        raise UserError(
            "hardware.accelerator: got gpu, but no GPU is visible here; allowed auto, cpu"
        )
    if not gpus:
        room = num_cores() // (hardware.devices * hardware.threads)
        return on_cpu(max(1, room) if parallel_fits == "auto" else parallel_fits)
    if len(gpus) < hardware.devices:
        raise UserError(
            f"hardware.devices: got {hardware.devices}, but {len(gpus)} GPUs are visible here; "
            f"allowed 1 to {len(gpus)}"
        )
    found = on_gpus(gpus, hardware.devices, fits_per_device)
    return found if parallel_fits == "auto" else found[:parallel_fits]


def num_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Return the names of the GPUs that CUDA_VISIBLE_DEVICES, or else the driver, shows."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name not in ("", "-1")]
    return [str(number) for number in range(num_gpus())]
