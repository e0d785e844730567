"""In which order the gradients of several devices are added up."""

import torch
from torch import nn

from pipeline.network import Network


def lay_out(model: nn.Module, network: Network, device: torch.device) -> None:
    """Have DDP put the gradients into buckets now, by a backward pass that changes nothing.

    It does so after the first pass that it sees, and the place in a bucket decides in which order
    three devices and more are added. In a fit that is resumed the first pass is another step than
    in one that is not, whose bits must be the same.

    Args:
        model: `network`, wrapped by DDP, in training mode.
    """
    kept = [buffer.clone() for buffer in network.buffers()]
    images = torch.zeros(2, *network.input_shape, dtype=torch.uint8, device=device)
    model(images).sum().backward()
    model.zero_grad()
    with torch.no_grad():
        for buffer, value in zip(network.buffers(), kept, strict=True):
            buffer.copy_(value)
