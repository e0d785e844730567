"""Batch norm whose statistics are those of the global batch, on any device.

torch's own SyncBatchNorm refuses the CPU. With this one, two processes see the statistics that
one process would see, so the number of devices changes a result only by the order of additions.
"""

from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.errors import UserError

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d)
WITH_ACTIVATION = "timm.layers.norm_act.BatchNormAct2d"  # drops and activates on its own


class GlobalBatchNorm(LayerSync):
    """Has every batch norm of a network see the images of all processes while it trains.

    All processes have to hold equally many images.

    Args:
        device_type: cpu, cuda, … On a GPU it is torch's SyncBatchNorm, which refuses the CPU.
    """

    def __init__(self, device_type: str) -> None:
        self._is_cpu = device_type == "cpu"

    def apply(self, model: nn.Module) -> nn.Module:
        """Change the layers in place; parameters and names stay.

        Raises:
            UserError: a layer keeps statistics in a way of its own, which would be one device's.
        """
        _refuse_others(model)
        if not self._is_cpu:
            from timm.layers import convert_sync_batchnorm  # torch's drops timm's activations

            converted: nn.Module = convert_sync_batchnorm(model)
            return converted
        for child in model.modules():
            if _is_known(child):
                child.__class__ = _global(type(child))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Leave the layers as they are: without other processes they compute alone."""
        return model


def _is_known(layer: nn.Module) -> bool:
    kind = type(layer)
    return kind in PLAIN or _name(kind) == WITH_ACTIVATION


def _refuse_others(model: nn.Module) -> None:
    for layer in model.modules():
        kind = type(layer).__name__
        if "running_var" in layer._buffers and not _is_known(layer) and "Frozen" not in kind:
            raise UserError(
                f"hardware.devices: the network has layers of the kind {kind}, whose statistics "
                "cannot be those of all devices; allowed 1 with this architecture"
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
    mean, variance = _gathered(features.detach())
    if norm.track_running_stats:
        _remember(norm, mean, variance, input.numel() // input.shape[1])
    weight = norm.weight if norm.affine else torch.ones_like(mean)
    bias = norm.bias if norm.affine else torch.zeros_like(mean)
    normalised: Tensor = _Normalise.apply(features, weight, bias, mean, variance, norm.eps)
    return normalised.to(input.dtype)


def _gathered(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over all processes, from those of each (T. Chan et al., 1979, eq. 1.5)."""
    own = torch.stack(torch.batch_norm_update_stats(features, None, None, momentum=0))
    means, variances = _gathered_from_all(own).unbind(1)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)


def _remember(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """As torch does, with the variance of a sample of all processes' `count` values each."""
    assert norm.running_mean is not None and norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    weight = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    total = count * _world()
    norm.running_mean.lerp_(mean, weight)
    norm.running_var.lerp_(variance * total / (total - 1), weight)


class _Normalise(torch.autograd.Function):
    """By given statistics of the features, which the gradient takes into account.

    Both ways are torch's fused kernels, which take the statistics as constants. What the statistics
    add to the gradient of the features x is -(Σg + x̂ Σ g x̂) / count times the slope, over all
    processes (S. Ioffe and C. Szegedy, 2015): an affine function of x, so that one kernel does.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(features, weight, mean, variance)
        ctx.eps = eps
        return _affine(features, weight, bias, mean, variance, eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, mean, variance = ctx.saved_tensors
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient,
            features,
            weight,
            mean,
            variance,
            None,
            None,
            train=False,
            eps=ctx.eps,
            output_mask=[False, True, True],
        )
        count = features.numel() // features.shape[1] * _world()
        slope = weight * torch.rsqrt(variance + ctx.eps)
        scale, shift = _summed(torch.stack([of_weight, of_bias])) * -slope / count
        own = _affine(features, scale, shift, mean, variance, ctx.eps)
        own.addcmul_(gradient, slope.view(-1, *[1] * (features.dim() - 2)))
        return own, of_weight, of_bias, None, None, None


def _affine(
    features: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    """The normalised features times the weight and plus the bias, channel by channel."""
    given: Tensor = torch.native_batch_norm(
        features, weight, bias, mean, variance, training=False, momentum=0, eps=eps
    )[0]
    return given


def _world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def _gathered_from_all(own: Tensor) -> Tensor:
    """Return the tensors of all processes, by rank."""
    by_rank = own.new_zeros(_world(), *own.shape)
    if _world() == 1:
        return own[None]
    dist.all_gather_into_tensor(by_rank, own)
    return by_rank


def _summed(own: Tensor) -> Tensor:
    if _world() > 1:
        dist.all_reduce(own)
    return own


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
