"""The meaning of `precision: auto` and `memory_format: auto`.

The rule depends on the kind of device, its capabilities and the network's layers; never on timings,
so that two clones on machines of one kind agree. Its figures are in bench/results/precision.md.
"""

from typing import Literal, NamedTuple

import torch
from torch import nn

from pipeline.config.hardware import Hardware

Precision = Literal["fp32", "bf16"]
MemoryFormat = Literal["contiguous", "channels_last"]
BF16_FLAGS = ("amx_bf16", "avx512_bf16")
BF16_CAPABILITY = (8, 0)  # NVIDIA's Ampere, the first with tensor cores that multiply bf16


class Arithmetic(NamedTuple):
    """How a network computes, and why."""

    precision: Precision
    memory_format: MemoryFormat
    reason: str

    def __str__(self) -> str:
        return f"{self.precision}, {self.memory_format}: {self.reason}"

    def tags(self) -> dict[str, str]:
        """Return the tags for the record of a run."""
        return {"convoy.precision": self.precision, "convoy.memory_format": self.memory_format}


def choose(hardware: Hardware, device: torch.device, body: nn.Module) -> Arithmetic:
    """Return the settings of `hardware`, and apply the rule to those that it leaves open."""
    strides = any(_strides_by_channel(module) for module in body.modules())
    return decide(hardware, device.type, has_bf16=_has_bf16(device), strides_by_channel=strides)


def decide(
    hardware: Hardware, kind: str, *, has_bf16: bool, strides_by_channel: bool
) -> Arithmetic:
    """Apply the rule.

    Args:
        kind: the kind of device, as torch names it: cpu, cuda, …
        has_bf16: the device multiplies bf16 at least twice as fast as fp32.
        strides_by_channel: the network has depthwise convolutions with a stride. On a CPU their
            backward pass is so slow in bf16 that the whole network is slower than in fp32.
    """
    precision, reason = hardware.precision, "precision as params.yaml says"
    if precision == "auto":
        precision, reason = _precision(kind, has_bf16, strides_by_channel)
    memory_format = hardware.memory_format
    if memory_format == "auto":
        # On a GPU, the tensor cores that multiply bf16 work best with channels innermost.
        memory_format = "channels_last" if kind == "cpu" or has_bf16 else "contiguous"
    return Arithmetic(precision, memory_format, reason)


def _precision(kind: str, has_bf16: bool, strides_by_channel: bool) -> tuple[Precision, str]:
    if not has_bf16:
        return "fp32", f"this {kind} has no bf16 arithmetic"
    if kind == "cpu" and strides_by_channel:
        return "fp32", "strided depthwise convolutions are slow in bf16 on a CPU"
    return "bf16", f"this {kind} has bf16 arithmetic"


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= BF16_CAPABILITY
    flags = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(flags.get(flag, False) for flag in BF16_FLAGS)


def _strides_by_channel(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and 1 < module.groups == module.in_channels
        and module.stride != (1, 1)
    )
