"""Count what a network costs, from a pass on torch's meta device, where tensors have no values."""

import copy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.core.artifacts import Cost
from pipeline.models.network import Network

NUM_IMAGES = 2  # a batch norm refuses a single value; every figure is for one


def cost(network: Network) -> Cost:
    """Return the cost of a network."""
    height_px, width_px, channels = network.input_shape
    probe, images = probe_of(network.body, (height_px, width_px, channels))
    with FlopCounterMode(display=False) as counter:
        probe(images)
    return Cost(
        num_parameters=sum(parameter.numel() for parameter in probe.parameters()),
        num_bytes=sum(tensor.nbytes for tensor in network.state_dict().values()),
        multiply_adds=round(counter.get_total_flops() / 2 / NUM_IMAGES),
    )


def probe_of(body: nn.Module, shape: tuple[int, int, int]) -> tuple[nn.Module, Tensor]:
    """Return a copy of the network, and images for it, that have shapes and no values.

    Args:
        shape: height, width, channels of one image.
    """
    images = torch.zeros(NUM_IMAGES, shape[2], *shape[:2], device="meta")
    return copy.deepcopy(body).to("meta").train(), images
