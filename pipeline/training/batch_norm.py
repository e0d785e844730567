"""Batch norm whose statistics are those of the global batch, on any device.

torch's own SyncBatchNorm refuses the CPU. With this one, two processes see the statistics that
one process would see, so the number of devices changes a result only by the order of additions.
"""

from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.errors import UserError

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d)
WITH_ACTIVATION = "timm.layers.norm_act.BatchNormAct2d"  # drops and activates on its own


def globalise(module: nn.Module) -> None:
    """Have every batch norm in `module` see the images of all processes, in place.

    The weights stay. All processes have to hold equally many images.

    Raises:
        UserError: a layer keeps statistics in a way of its own, which would be one device's.
    """
    for child in module.modules():
        kind: Any = type(child)
        if isinstance(child, _BatchNorm) and (kind in PLAIN or _name(kind) == WITH_ACTIVATION):
            child.__class__ = _global(kind)
        elif "running_var" in child._buffers and "Frozen" not in kind.__name__:
            raise UserError(
                f"hardware.devices: the network has layers of the kind {kind.__name__}, whose "
                "statistics cannot be those of all devices; allowed 1 with this architecture"
            )


@cache
def _global(kind: Any) -> type[_BatchNorm]:
    """As batch norms of this kind, over the images of all processes while it trains."""

    def forward(self: Any, input: Tensor) -> Tensor:
        if not self.training:
            given: Tensor = kind.forward(self, input)
            return given
        normalised = _normalised(self, input)
        return normalised if kind in PLAIN else self.act(self.drop(normalised))

    return type(f"Global{kind.__name__}", (kind,), {"forward": forward})


def _normalised(norm: _BatchNorm, input: Tensor) -> Tensor:
    features = input.float()
    over = [d for d in range(input.dim()) if d != 1]
    variance, mean = _gathered(torch.stack(torch.var_mean(features, over, correction=0)))
    if norm.track_running_stats:
        _remember(norm, mean.detach(), variance.detach(), input.numel() // input.shape[1])
    scale = torch.rsqrt(variance + norm.eps)
    if norm.affine:
        scale = scale * norm.weight
    shift = -mean * scale
    if norm.affine:
        shift = shift + norm.bias
    by_channel = [1, -1] + [1] * (input.dim() - 2)
    normalised: Tensor = features * scale.view(by_channel) + shift.view(by_channel)
    return normalised.to(input.dtype)


def _gathered(own: Tensor) -> tuple[Tensor, Tensor]:
    """Variance and mean over all processes, from those of each (T. Chan et al., 1979, eq. 1.5)."""
    by_rank = own.new_zeros(dist.get_world_size(), *own.shape)
    by_rank[dist.get_rank()] = own
    variances, means = _Sum.apply(by_rank).unbind(1)
    mean = means.mean(0)
    return variances.mean(0) + (means - mean).square().mean(0), mean


@torch.no_grad()
def _remember(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """As torch does, with the variance of a sample of all processes' `count` values each."""
    assert norm.running_mean is not None and norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    weight = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    total = count * dist.get_world_size()
    norm.running_mean.lerp_(mean, weight)
    norm.running_var.lerp_(variance * total / (total - 1), weight)


class _Sum(torch.autograd.Function):
    """Over all processes, and so is its gradient."""

    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:  # noqa: ARG004
        return _summed(local)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return _summed(gradient)


def _summed(values: Tensor) -> Tensor:
    total = values.contiguous().clone()
    dist.all_reduce(total)
    return total


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
