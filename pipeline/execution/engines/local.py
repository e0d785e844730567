"""Fits on the devices of this machine, each in a fork of a process that has imported torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pipeline.core.component import Component

if TYPE_CHECKING:  # every stage reads the parameters, and most start no fit
    from pipeline.config.execution import Execution
    from pipeline.config.hardware import Hardware
    from pipeline.execution.running import Running


class Params(Component):
    """As many fits at once as this machine has room for."""

    name: Literal["local"] = "local"
    parallel_fits: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """How many fits run at once; auto: as many as devices, or cores over threads, allow."""
    fits_per_device: Annotated[int, Field(ge=1)] = 1
    """How many fits may share one GPU."""


@contextmanager
def start(params: Params, execution: "Execution", hardware: "Hardware") -> "Iterator[Running]":
    """Yield the engine; leaving it ends what still runs."""
    from pipeline.execution.places import places
    from pipeline.execution.running import Running

    running = Running(places(params.parallel_fits, params.fits_per_device, execution, hardware))
    try:
        yield running
    finally:
        running.stop()
