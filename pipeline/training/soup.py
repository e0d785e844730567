"""Soups: one network whose weights are the mean of those of others, at the price of one.

It works for networks that set out from the same weights: their minima then lie in one basin.
M. Wortsman et al., Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time, 2022.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.component import Component
from pipeline.network import Network
from pipeline.params import Hardware, Training, monitor
from pipeline.precision import choose
from pipeline.predicting import choose_device, predict_logits
from pipeline.training.averaging import update_batch_norm
from pipeline.training.datamodule import DataModule, Inputs
from pipeline.training.scores import scores_of

Mix = Callable[[Sequence[Network]], Network]
Judge = Callable[[Network], float]


@dataclass(frozen=True)
class Soup:
    """What has been made of which members, and how they do on validation: lower is better."""

    network: Network
    loss: float
    used: tuple[str, ...]
    losses: dict[str, float]
    """Of every member alone."""


def uniform(members: Mapping[str, Network], mix: Mix, judge: Judge) -> Soup:
    """The mean of all."""
    network = mix(list(members.values()))
    losses = {name: judge(member) for name, member in members.items()}
    return Soup(network, judge(network), tuple(members), losses)


def greedy(members: Mapping[str, Network], mix: Mix, judge: Judge) -> Soup:
    """The mean of the best member and of each next one that does no harm on validation.

    It is never worse there than the best member, with which alone it may end.
    """
    losses = {name: judge(member) for name, member in members.items()}
    best, *others = sorted(members, key=lambda name: losses[name])
    soup = Soup(members[best], losses[best], (best,), losses)
    for name in others:
        used = (*soup.used, name)
        network = mix([members[each] for each in used])
        loss = judge(network)
        if loss <= soup.loss:
            soup = Soup(network, loss, used, losses)
    return soup


METHODS = {"uniform": uniform, "greedy": greedy}


def make_soup(
    members: Mapping[str, Network],
    method: str,
    inputs: Inputs,
    *,
    training: Training,
    task: Component,
    seed: int,
    hardware: Hardware,
) -> Soup:
    """One network of those of several members, on the fold that none of them learned from.

    Args:
        training, seed: of one of the members: which images it saw in its first epoch, by which the
            statistics of batch norm are estimated anew.
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

    def judge(network: Network) -> float:
        logits = predict_logits(network, inputs.val.images, device)
        return float(scores(logits, inputs.val.targets)[watched].mean())

    return METHODS[method](members, mix, judge)


@torch.no_grad()
def mean_of(networks: Sequence[Network]) -> Network:
    """A network with the mean of their weights; what is counted is that of the first."""
    mean = deepcopy(networks[0])
    states = [network.state_dict() for network in networks]
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.stack([state[name] for state in states]).double().mean(dim=0))
    return mean


def _estimate_statistics(mean: Network, networks: Sequence[Network], data: DataModule) -> None:
    """Of batch norm, on images as training saw them; frozen ones, which are equal in all, stay."""
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
