"""Averages of a network's weights over training, which often generalise better than the last ones.

EMA is updated at every step, SWA at the end of each of the last epochs. Both are one running mean
that differs only in the weight of the new values.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.config import optimisation as settings
from pipeline.training.sharding import cut, local, whole


class Mean:
    """A running mean of the weights and floating-point buffers of a network.

    It refers to the tensors of `network`: create it once they are on their final device.
    """

    def __init__(self, network: nn.Module) -> None:
        state = network.state_dict()
        self._live = {name: t for name, t in state.items() if t.is_floating_point()}
        self._mean = {name: value.clone() for name, value in self._live.items()}
        self.num_updates = 0

    @torch.no_grad()
    def update(self, weight: float) -> None:
        """Move the mean towards the network's present values by `weight`, in [0, 1]."""
        torch._foreach_lerp_(local(self._mean), local(self._live), weight)
        self.num_updates += 1

    @torch.no_grad()
    def exchange(self) -> None:
        """Swap the network's values with the mean; a second call swaps them back."""
        for mean, live in zip(local(self._mean), local(self._live), strict=True):
            held = live.clone()
            live.copy_(mean)
            mean.copy_(held)

    def state_dict(self) -> dict[str, Any]:
        return {"num_updates": self.num_updates, "mean": whole(self._mean)}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.num_updates = state["num_updates"]
        for name, value in cut(state["mean"], self._mean).items():
            self._mean[name].copy_(value)


def ema_weight(chosen: settings.EMA, num_updates: int, steps_per_epoch: int) -> float:
    """Return the weight of the new values after `num_updates` earlier updates.

    The mean is then Σ d^(t-i) θ_i / Σ d^(t-i) over the steps i = 1…t: independent of the values
    from before the first step, as in equation 3 of Adam (D. Kingma and J. Ba, 2015).
    """
    decay = math.exp2(-1 / (chosen.half_life_epochs * steps_per_epoch))
    return (1 - decay) / (1 - decay ** (num_updates + 1))


def swa_weight(num_updates: int) -> float:
    """Return the weight of the new values: each update counts the same.

    P. Izmailov et al., Averaging Weights Leads to Wider Optima, 2018.
    """
    return 1 / (num_updates + 1)


def swa_counts(chosen: settings.SWA, epoch: int, num_epochs: int) -> bool:
    """Return whether the end of `epoch`, from 0, enters the mean; the last one always does."""
    return epoch >= int(chosen.start * num_epochs)


@torch.no_grad()
def update_batch_norm(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Estimate the statistics of batch norm anew, as the mean over `batches` of images.

    Averaged weights have no statistics of their own. torch's `update_bn` would apply dropout, which
    is off when the statistics are used, and would re-estimate those of frozen layers; here dropout
    is off, and a batch norm in evaluation mode keeps its statistics.

    Raises:
        ValueError: the network is in evaluation mode, as though all of it were frozen.
    """
    if not network.training:
        raise ValueError("update_batch_norm: got a network in evaluation mode; call train() first")
    modes = {module: module.training for module in network.modules()}
    momenta = {m: m.momentum for m in modes if isinstance(m, _BatchNorm) and m.training}
    network.eval()
    for norm in momenta:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    for images in batches:
        network(images)
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    for module, mode in modes.items():
        module.training = mode
