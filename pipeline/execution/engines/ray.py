"""Fits as tasks of a Ray cluster, each on a node that has room for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from pipeline.core.component import Component
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    from pipeline.config.execution import Execution
    from pipeline.config.hardware import Hardware
    from pipeline.execution.engine import Engine


class Params(Component):
    """As many fits at once as the nodes have room for."""

    name: Literal["ray"] = "ray"
    address: str = "auto"
    """The address of the head node, HOST:PORT; auto: the cluster that this machine belongs to."""
    parallel_fits: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """How many fits are handed to Ray at once; auto: as many as its nodes have room for. With more
    of them, a cluster that grows on demand adds nodes."""
    fits_per_device: Annotated[int, Field(ge=1)] = 1
    """How many fits may share one GPU."""
    max_retries: Annotated[int, Field(ge=0)] = 3
    """How often Ray starts a fit again whose process was killed or whose node was lost."""
    shared_disk: bool = True
    """Whether all nodes see the repository's folder; false: inputs travel to each node once."""
    checkpoint_url: str | None = None
    """Without a shared disk: where checkpoints are copied, so that a fit goes on where its node is
    lost; any address of fsspec, such as s3://bucket/folder. null: such a fit starts anew."""

    @model_validator(mode="after")
    def _one_place(self) -> "Params":
        if self.shared_disk and self.checkpoint_url is not None:
            raise ValueError(
                f"checkpoint_url: got {self.checkpoint_url!r} with shared_disk: true, where "
                "checkpoints lie on the shared disk; allowed null, or set shared_disk: false"
            )
        return self


@contextmanager
def start(params: Params, execution: "Execution", hardware: "Hardware") -> "Iterator[Engine]":
    """Yield the engine; leaving it ends what still runs.

    Raises:
        UserError: Ray is not installed or not reached, or its nodes cannot run the fits.
    """
    if find_spec("ray") is None:
        raise UserError(
            "execution.engine: got ray, but Ray is not installed here; run "
            "`pip install ray==2.60.0`, which the extra convoy[ray] names, or choose local"
        )
    from pipeline.execution.cluster.running import open_cluster

    with open_cluster(params, execution, hardware) as running:
        yield running
