"""Batch norm whose statistics are those of the global batch, on any device.

torch's own SyncBatchNorm refuses the CPU. With this one, two processes see the statistics that
one process would see, so the number of devices changes a result only by the order of additions.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from pipeline.errors import UserError


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """As `nn.BatchNorm2d`, over the images of all processes. All hold equally many."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        features = input.float()
        local = torch.stack([features.mean((0, 2, 3)), features.square().mean((0, 2, 3))])
        summed: Tensor = all_reduce(local)  # type: ignore[no-untyped-call]  # differentiable
        mean, square = summed / dist.get_world_size()
        variance = (square - mean.square()).clamp_min(0)
        self._remember(mean.detach(), variance.detach(), count=input.numel() // input.shape[1])
        scale = torch.rsqrt(variance + self.eps) * self.weight
        shift = self.bias - mean * scale
        normalised: Tensor = features * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)
        return normalised.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        total = count * dist.get_world_size()
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * total / (total - 1), self.momentum)


def globalise(module: nn.Module) -> None:
    """Turn every `BatchNorm2d` in `module` into a global one, in place; the weights stay.

    Raises:
        UserError: there is a batch norm of a library's own kind, which would see one device's part.
    """
    for child in module.modules():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = GlobalBatchNorm2d
        elif isinstance(child, nn.modules.batchnorm._BatchNorm):
            raise UserError(
                f"hardware.devices: the network has batch norms of the kind {type(child).__name__},"
                " whose statistics cannot be those of all devices; allowed 1 with this architecture"
            )
