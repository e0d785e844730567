"""Batch norm with the statistics of the global batch, on any device.

Two processes use the same statistics as a single process would, so the number of devices changes a
result only through the order of additions. On a GPU it is torch's SyncBatchNorm, which does not run
on the CPU.
"""

from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.core.errors import UserError

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d)
WITH_ACTIVATION = "timm.layers.norm_act.BatchNormAct2d"  # has dropout and activation of its own


class GlobalBatchNorm(LayerSync):
    """Makes every batch norm use the images of all processes, which hold equally many each.

    Layers change their class in place. A conversion as in torch and timm would create new layers,
    and fails for a layer whose weight is a buffer.
    """

    def __init__(self, device_type: str) -> None:
        self._classes = _global if device_type == "cpu" else _synchronised
        self._plain: dict[str, Any] = {}

    def apply(self, model: nn.Module) -> nn.Module:
        """Make every batch norm in `model` global, in place; a single process changes nothing.

        Raises:
            UserError: a layer keeps statistics in a way of its own, which would cover one device
            only.
        """
        self._plain = _plain(model)
        for name, kind in self._plain.items():
            layer: Any = model.get_submodule(name)
            layer.__class__ = self._classes(kind)
            layer.process_group = None  # to SyncBatchNorm: all processes
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Restore the class of every layer that `apply` has changed."""
        for name, kind in self._plain.items():
            layer: Any = model.get_submodule(name)
            layer.__class__ = kind
            del layer.process_group
        return model


def _plain(model: nn.Module) -> dict[str, Any]:
    """Return the class of every batch norm, by the name of the layer."""
    found = {}
    for name, layer in model.named_modules():
        kind = type(layer)
        if kind in PLAIN or f"{kind.__module__}.{kind.__qualname__}" == WITH_ACTIVATION:
            found[name] = kind
        elif "running_var" in layer._buffers and "Frozen" not in kind.__name__:
            raise UserError(
                f"hardware.devices: the network has {kind.__name__} layers, whose statistics "
                "cannot be computed across devices; allowed 1 with this architecture"
            )
    return found


def _synchronised(kind: Any) -> type[nn.SyncBatchNorm]:
    """Return the class that is global on a GPU; torch's own has no activation."""
    from timm.layers.norm_act import SyncBatchNormAct

    return nn.SyncBatchNorm if kind in PLAIN else SyncBatchNormAct


@cache
def _global(kind: Any) -> type[_BatchNorm]:
    """Derive the class that is global on the CPU."""

    def forward(self: Any, input: Tensor) -> Tensor:
        if not self.training or _world() == 1:
            output: Tensor = kind.forward(self, input)
            return output
        normalised = _normalised(self, input)
        return normalised if kind in PLAIN else self.act(self.drop(normalised))

    return type(f"Global{kind.__name__}", (kind,), {"forward": forward})


def _world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def _normalised(norm: _BatchNorm, input: Tensor) -> Tensor:
    """Normalise by the mean and variance of all processes (S. Ioffe and C. Szegedy, 2015)."""
    features = input.float()
    own = [0, *range(2, features.dim())]  # all axes but the channels
    mean: Tensor = _Mean.apply(features.mean(own, keepdim=True))
    centred = features - mean
    variance: Tensor = _Mean.apply(centred.square().mean(own, keepdim=True))
    if norm.track_running_stats:
        count = input.numel() // input.shape[1] * _world()
        _remember(norm, mean.detach().flatten(), variance.detach().flatten(), count)
    normalised = centred * torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        normalised = normalised * norm.weight.view_as(mean)
    if norm.bias is not None:
        normalised = normalised + norm.bias.view_as(mean)
    return normalised.to(input.dtype)


class _Mean(torch.autograd.Function):
    """Average over all processes; each one's gradient is the average of all gradients too."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:  # noqa: ARG004
        total = own.contiguous().clone()
        dist.all_reduce(total)
        return total / _world()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Mean.forward(ctx, gradient)


def _remember(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update the running statistics as torch does, after `count` values in each channel."""
    assert norm.running_mean is not None and norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    weight = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, weight)
    norm.running_var.lerp_(variance * count / (count - 1), weight)
