"""Weights, gradients and the optimiser's state in shards, one on each device.

For networks that one device cannot hold. Before a unit of the network computes, its devices gather
its weights, and let go of them afterwards (Y. Zhao et al., PyTorch FSDP, 2023; torch's second
version of it). A checkpoint holds whole tensors, as that of any other fit does.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

UNIT = 1_000_000  # parameters that are gathered at once, at least


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Cut the parameters, in place. Optimisers have to be made afterwards."""
    network.to(memory_format=torch.contiguous_format)  # the only one that can be cut
    # The root would keep its weights after a validation, and not see that a mean has replaced them.
    for unit in [*units(network, UNIT), network]:
        fully_shard(unit, mesh=mesh, reshard_after_forward=True)


def units(module: nn.Module, least: int) -> list[nn.Module]:
    """The smallest parts with `least` parameters and more of their own, without `module` itself.

    None is a single layer, which may be used in other ways than by a call, nor a mere list.
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
    """Put all shards together, on the CPU. All devices have to ask for it."""
    return {k: v.full_tensor().cpu() if isinstance(v, DTensor) else v for k, v in state.items()}


def cut(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cut the tensors of `state` into shards where those of `like` are."""
    return {name: _cut(value, like[name]) for name, value in state.items()}


def local(tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """Return what this device has of them; the memory is shared."""
    return [t.to_local() if isinstance(t, DTensor) else t for t in tensors.values()]


def is_cut(tensor: Tensor) -> bool:
    """Tell whether it is one of the shards."""
    return isinstance(tensor, DTensor)


def _cut(value: Tensor, like: Tensor) -> Tensor:
    if not isinstance(like, DTensor):
        return value
    on_device = value.to(like.device)
    return distribute_tensor(on_device, like.device_mesh, like.placements, src_data_rank=None)
