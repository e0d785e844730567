"""Batch norm whose statistics are those of the global batch, on any device.

Two processes see the statistics that one process would see, so the number of devices changes a
result only by the order of additions. On a GPU it is torch's SyncBatchNorm, which refuses the CPU.
"""

from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.errors import UserError

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d)
WITH_ACTIVATION = "timm.layers.norm_act.BatchNormAct2d"  # drops and activates on its own


class GlobalBatchNorm(LayerSync):
    """Have every batch norm see the images of all processes, which hold equally many each.

    Layers change their class in place. Converting them, as torch and timm do, would make new ones,
    and fails for a layer whose weight is a buffer.
    """

    def __init__(self, device_type: str) -> None:
        self._classes = _global if device_type == "cpu" else _synchronised
        self._plain: dict[str, Any] = {}

    def apply(self, model: nn.Module) -> nn.Module:
        """Make every batch norm in `model` global, in place; nothing changes for one process.

        Raises:
            UserError: a layer keeps statistics in a way of its own, which would be one device's.
        """
        self._plain = _plain(model)
        for name, kind in self._plain.items():
            layer: Any = model.get_submodule(name)
            layer.__class__ = self._classes(kind)
            layer.process_group = None  # SyncBatchNorm's name for all processes
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Give the layers that `apply` has changed the class that they had."""
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
                f"hardware.devices: the network has layers of the kind {kind.__name__}, whose "
                "statistics cannot be those of all devices; allowed 1 with this architecture"
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


def _gathered(own: Float[Tensor, "2 c"]) -> Float[Tensor, "r 2 c"]:
    """Gather a pair of vectors from all processes, by rank: so all add in the same order."""
    by_rank = own.new_empty(_world() * 2, own.shape[1])
    dist.all_gather_into_tensor(by_rank, own)
    return by_rank.view(-1, *own.shape)


def _normalised(norm: _BatchNorm, input: Tensor) -> Tensor:
    """Normalise by the mean and variance of all processes (T. Chan et al., 1979, eq. 1.5)."""
    features = input.float()
    own = torch.batch_norm_update_stats(features.detach(), None, None, momentum=0)
    means, variances = _gathered(torch.stack(own)).unbind(1)
    mean = means.mean(0)
    variance = variances.mean(0) + (means - mean).square().mean(0)
    if norm.track_running_stats:
        _remember(norm, mean, variance, input.numel() // input.shape[1] * _world())
    weight = torch.ones_like(mean) if norm.weight is None else norm.weight
    bias = torch.zeros_like(mean) if norm.bias is None else norm.bias
    normalised: Tensor = _Normalise.apply(features, weight, bias, mean, variance, norm.eps)
    return normalised.to(input.dtype)


def _remember(norm: Any, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update the running statistics as torch does; `count` values a channel were seen."""
    norm.num_batches_tracked += 1
    weight = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, weight)
    norm.running_var.lerp_(variance * count / (count - 1), weight)


class _Normalise(torch.autograd.Function):
    """Normalise by given statistics of the features, which the gradient takes into account.

    Both ways are torch's fused kernels, which take the statistics as constants. What the statistics
    add to the gradient of the features x is -(Σg + x̂ Σ g x̂) / count times the slope, over all
    processes (S. Ioffe and C. Szegedy, 2015): an affine function of x, so that one kernel does.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        features, weight, _, mean, variance, ctx.eps = arguments
        ctx.save_for_backward(features, weight, mean, variance)
        return _affine(*arguments)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, mean, variance = ctx.saved_tensors
        given = (gradient, features, weight, mean, variance, None, None, False, ctx.eps)
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            *given, output_mask=[False, True, True]
        )
        count = features.numel() // features.shape[1] * _world()
        slope = weight * torch.rsqrt(variance + ctx.eps)
        scale, shift = _gathered(torch.stack([of_weight, of_bias])).sum(0) * -slope / count
        own = _affine(features, scale, shift, mean, variance, ctx.eps)
        own.addcmul_(gradient, slope.view(-1, *[1] * (features.dim() - 2)))
        return own, of_weight, of_bias, None, None, None


def _affine(
    features: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    """Multiply the normalised features by the weight and add the bias, channel by channel."""
    output: Tensor = torch.native_batch_norm(
        features, weight, bias, mean, variance, training=False, momentum=0, eps=eps
    )[0]
    return output
