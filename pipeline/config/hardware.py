"""The section `hardware`: the devices that fits and predictions run on."""

from typing import Literal

from pipeline.config.types import Positive
from pipeline.core.component import Strict

Strategy = Literal[
    "auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true",
    "deepspeed", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_2_offload",
    "deepspeed_stage_3", "deepspeed_stage_3_offload", "deepspeed_stage_3_offload_nvme",
    "fsdp", "fsdp_cpu_offload",
]  # fmt: skip


class Hardware(Strict):
    """Hardware for training and prediction. Threads and precision change the last bits."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Positive = 1
    """Devices per node."""
    num_nodes: Positive = 1
    """Machines per fit; `execution.command` starts the fit on them."""
    strategy: Strategy = "auto"
    """How Lightning distributes a fit. auto is ddp for several devices; fsdp shards weights,
    gradients and optimiser state over the devices, for a network too large for one of them."""
    threads: Positive = 1
    """CPU threads of one training process."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16: convolutions and matrix products in bf16, weights and sums in fp32; auto: depends on
    the device, see pipeline/models/precision.py."""
    memory_format: Literal["auto", "contiguous", "channels_last"] = "auto"
    """Whether images are stored channel by channel or with channels innermost."""
    compile: bool = False
    """Train with code from torch.compile; the first step then takes half a minute or more."""

    @property
    def world(self) -> int:
        """Return the number of devices of one fit."""
        return self.devices * self.num_nodes

    def on_one_device(self) -> "Hardware":
        return self.model_copy(update={"devices": 1, "num_nodes": 1, "strategy": "auto"})
