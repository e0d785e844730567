"""Weights, gradients and the optimiser's state in shards, one on each device (FSDP).

It is meant for networks that one device cannot hold. Before a unit of the network computes, the
devices gather its weights, and free them afterwards (Y. Zhao et al., PyTorch FSDP, 2023; torch's
second version of it). A checkpoint holds whole tensors, as that of any other fit does.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

UNIT = 1_000_000  # the fewest parameters that are gathered at once


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Shard the parameters in place. Optimisers have to be created afterwards."""
    network.to(memory_format=torch.contiguous_format)  # the only one that can be sharded
    # The root would keep its weights after a validation, and miss that a mean has replaced them.
    for unit in [*units(network, UNIT), network]:
        fully_shard(unit, mesh=mesh, reshard_after_forward=True)


def units(module: nn.Module, least: int) -> list[nn.Module]:
    """Return the smallest submodules with at least `least` parameters of their own.

    Neither `module` itself is among them, nor a single layer, which may be used in other ways than
    by a call, nor a mere list.
    """
    found: list[nn.Module] = []
    for child in module.children():
        found += units(child, least)
        within = {id(p) for unit in found for p in unit.parameters()}
        own = sum(p.numel() for p in child.parameters() if id(p) not in within)
        is_called = not isinstance(child, nn.ModuleList | nn.ModuleDict)
        if own >= least and is_called and any(True for _ in child.children()):
            found.append(child)
    return found


def whole(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gather all shards into whole tensors on the CPU; every device has to call this."""
    return {k: v.full_tensor().cpu() if isinstance(v, DTensor) else v for k, v in state.items()}


def cut(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Split the tensors of `state` into shards where those of `like` are sharded."""
    return {name: _cut(value, like[name]) for name, value in state.items()}


def local(tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """Return this device's part of the tensors; the memory is shared."""
    return [t.to_local() if isinstance(t, DTensor) else t for t in tensors.values()]


def is_cut(tensor: Tensor) -> bool:
    """Return whether the tensor is sharded."""
    return isinstance(tensor, DTensor)


def _cut(value: Tensor, like: Tensor) -> Tensor:
    if not isinstance(like, DTensor):
        return value
    on_device = value.to(like.device)
    return distribute_tensor(on_device, like.device_mesh, like.placements, src_data_rank=None)
