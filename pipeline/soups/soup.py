"""Model soups: one network with the mean weights of several, at the inference cost of one.

It works for networks that start from the same weights: their minima then lie in one basin.
M. Wortsman et al., Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time, 2022.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.config.hardware import Hardware
from pipeline.config.params import monitor
from pipeline.config.training import Training
from pipeline.models.device import choose_device
from pipeline.models.network import Network
from pipeline.models.precision import choose
from pipeline.prediction.predictor import predict_logits
from pipeline.training.averaging import update_batch_norm
from pipeline.training.balance import Balance
from pipeline.training.datamodule import DataModule, Inputs
from pipeline.training.scores import scores_of

Mix = Callable[[Sequence[Network]], Network]
ValLoss = Callable[[Network], float]


@dataclass(frozen=True)
class MixedNetwork:
    """A soup, its ingredients, and their losses on validation: lower is better."""

    network: Network
    loss: float
    used: tuple[str, ...]
    losses: dict[str, float]
    """The loss of every member alone."""


def uniform(members: Mapping[str, Network], mix: Mix, val_loss: ValLoss) -> MixedNetwork:
    """Average all members."""
    network = mix(list(members.values()))
    losses = {name: val_loss(member) for name, member in members.items()}
    return MixedNetwork(network, val_loss(network), tuple(members), losses)


def greedy(members: Mapping[str, Network], mix: Mix, val_loss: ValLoss) -> MixedNetwork:
    """Average the best member and each further one that does not raise the validation loss.

    On validation the soup is never worse than the best member, which may remain the only one.
    """
    losses = {name: val_loss(member) for name, member in members.items()}
    best, *others = sorted(members, key=lambda name: losses[name])
    soup = MixedNetwork(members[best], losses[best], (best,), losses)
    for name in others:
        used = (*soup.used, name)
        network = mix([members[each] for each in used])
        loss = val_loss(network)
        if loss <= soup.loss:
            soup = MixedNetwork(network, loss, used, losses)
    return soup


METHODS = {"uniform": uniform, "greedy": greedy}


def make_soup(
    members: Mapping[str, Network],
    method: str,
    inputs: Inputs,
    *,
    training: Training,
    task: Any,
    seed: int,
    hardware: Hardware,
) -> MixedNetwork:
    """Make one network from those of several members, on the fold that none of them learned from.

    Args:
        training, seed: the settings of one of the members. They determine the images of its first
            epoch, on which the statistics of batch norm are estimated anew.
    """
    device = choose_device(hardware.accelerator)
    for network in members.values():
        network.to(device).arrange(choose(hardware, device, network.body))
    data = DataModule(inputs, training, seed, device=device)
    scores, watched = scores_of(task, inputs.card.target_scale), monitor(task).removeprefix("val/")

    def mix(networks: Sequence[Network]) -> Network:
        network = mean_of(networks)
        _estimate_statistics(network, networks, data)
        return network.eval()

    balance = Balance(training, task.KIND, **inputs.class_counts, num_outputs=network.num_outputs)
    offset = balance.val_offset(training.epochs - 1)

    def val_loss(network: Network) -> float:
        logits = predict_logits(network, inputs.val.images, device) + offset
        return float(scores(logits, inputs.val.targets)[watched].mean())

    return METHODS[method](members, mix, val_loss)


@torch.no_grad()
def mean_of(networks: Sequence[Network]) -> Network:
    """Return a network with the mean of the weights; integer buffers are those of the first."""
    mean = deepcopy(networks[0])
    states = [network.state_dict() for network in networks]
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.stack([state[name] for state in states]).double().mean(dim=0))
    return mean


def _estimate_statistics(mean: Network, networks: Sequence[Network], data: DataModule) -> None:
    """Estimate batch norm statistics on training images; frozen ones, equal in all, stay."""
    mean.train()
    norms = {name: m for name, m in mean.named_modules() if isinstance(m, _BatchNorm)}
    for name, norm in norms.items():
        if _is_frozen([network.get_submodule(name) for network in networks]):
            norm.eval()
    if any(norm.training for norm in norms.values()):
        update_batch_norm(mean, (batch.images for batch in data.batches(epoch=0)))


def _is_frozen(norms: Sequence[nn.Module]) -> bool:
    first, *others = norms
    return all(
        torch.equal(first.get_buffer(name), other.get_buffer(name))
        for other in others
        for name in ("running_mean", "running_var")
    )
