"""How DDP adds up the gradients of several devices."""

import torch
from pytorch_lightning import LightningModule
from torch.nn.parallel import DistributedDataParallel


def connect(module: LightningModule, input_shape: tuple[int, ...]) -> None:
    """Have DDP add up the gradients of all parameters that learn now, from the first step on.

    DDP looks once which parameters learn. It puts their gradients into buckets after the first
    backward pass that it sees, and the place in a bucket decides in which order three devices and
    more are added. In a fit that is resumed the first pass is another step than in one that is not,
    whose bits must be the same; so the first pass is one that changes nothing.

    Args:
        input_shape: of an image, h w c.
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
