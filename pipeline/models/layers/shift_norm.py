"""A batch norm that learns only its shift."""

import torch
from torch import nn


def shift_norm(num_channels: int) -> nn.BatchNorm2d:
    """Return a batch norm whose scale is a buffer of ones, not a parameter."""
    norm = nn.BatchNorm2d(num_channels, momentum=0.4)
    del norm.weight
    norm.register_buffer("weight", torch.ones(num_channels))
    return norm
