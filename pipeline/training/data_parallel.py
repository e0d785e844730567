"""How DDP sums the gradients of several devices."""

import torch
from pytorch_lightning import LightningModule
from torch.nn.parallel import DistributedDataParallel


def connect(module: LightningModule, input_shape: tuple[int, ...]) -> None:
    """Have DDP sum the gradients of all parameters that are trained now, from the first step on.

    DDP determines once which parameters are trained. It assigns their gradients to buckets after
    the first backward pass, and the position in a bucket decides the order in which three or more
    devices are summed. A resumed fit would do its first pass at another step than an uninterrupted
    one, yet both must agree bit for bit; so the first pass is one that changes nothing.

    Args:
        input_shape: the shape of an image, h w c.
    """
    strategy = module.trainer.strategy
    if not isinstance(strategy.model, DistributedDataParallel):
        return
    strategy.model = module
    strategy.configure_ddp()  # type: ignore[attr-defined]
    kept = [buffer.clone() for buffer in module.buffers()]
    images = torch.zeros(2, *input_shape, dtype=torch.uint8, device=module.device)
    strategy.model(images).sum().backward()
    module.zero_grad()
    with torch.no_grad():
        for buffer, value in zip(module.buffers(), kept, strict=True):
            buffer.copy_(value)
