"""Whether torchrun or srun has started this process as one of many, a rank for each device."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pipeline.errors import UserError
from pipeline.process import die_with_parent


class Place(NamedTuple):
    """Of this process among those that were started together."""

    by: Literal["torchrun", "srun"]
    rank: int
    """From 0, which is the one that writes."""
    world: int


def place() -> Place | None:
    """None for a process that was started on its own.

    Within an allocation of SLURM all processes know of its tasks; those of srun also of their own.
    """
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        return Place("torchrun", int(env["RANK"]), int(env["WORLD_SIZE"]))
    if int(env.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return Place("srun", int(env["SLURM_PROCID"]), int(env["SLURM_STEP_NUM_TASKS"]))
    return None


def check(found: Place | None, devices: int, num_nodes: int) -> None:
    """Raises UserError where other than one process a device was started."""
    if found is None and num_nodes > 1:
        raise UserError(
            f"hardware.num_nodes: got {num_nodes}, this process was started alone; start one for "
            "each device with torchrun or srun, or name the command in launch.command"
        )
    if found and found.world != devices * num_nodes:
        raise UserError(
            f"hardware.devices × num_nodes: got {devices} × {num_nodes}, {found.by} has started "
            f"{found.world} processes; start one for each device"
        )


def start(command: str, arguments: Sequence[str]) -> int:
    """Run `python ARGUMENTS` by `command`, as in `srun --nodes 2`, and return its exit status.

    Who is asked to leave asks the command, and waits for it.
    """
    whole = [*shlex.split(command), sys.executable, *arguments]
    try:
        started = subprocess.Popen(whole, preexec_fn=die_with_parent)  # noqa: PLW1509
    except OSError as error:
        raise UserError(f"launch.command: got {command!r}: {error.strerror}; install it") from None
    with started:
        try:
            return started.wait()
        except BaseException:
            started.terminate()
            raise
