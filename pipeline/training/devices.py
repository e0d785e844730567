"""On which devices a fit runs, in which processes, and what Lightning has to do with them."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pipeline import launch
from pipeline.errors import UserError
from pipeline.params import Hardware
from pipeline.training import exchange, ranks
from pipeline.training.lightning import (
    ClusterEnvironment,
    DDPStrategy,
    Fabric,
    LightningEnvironment,
    ModelParallelStrategy,
    SLURMEnvironment,
    Strategy,
    TorchElasticEnvironment,
)
from pipeline.training.memory import TooLargeError
from pipeline.training.sharding import shard


def fabric_of(hardware: Hardware) -> Fabric:
    """For this process, which is one of as many as there are devices."""
    return Fabric(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.num_nodes,
        strategy=_strategy(hardware),
        plugins=[_environment(hardware)],
    )


def on_all(hardware: Hardware, train: Callable[[], None]) -> None:
    """Run `train` here, or in a process for each device where there are not such already."""
    if hardware.world == 1:
        train()
    elif launch.place():
        _join(train)
    else:
        _fork(train, hardware.devices)


def spread(network: nn.Module, fabric: Fabric) -> None:
    """Cut the parameters into shards, where they are not to be whole on each device."""
    if isinstance(fabric.strategy, ModelParallelStrategy):
        shard(network, fabric.strategy.device_mesh["data_parallel"])


def _join(train: Callable[[], None]) -> None:
    """As one of the processes that another program has started."""
    try:
        ranks.run_here(train)
    except TooLargeError as error:
        raise UserError(f"{error}; run the same command again") from None


def _fork(train: Callable[[], None], devices: int) -> None:
    """Begin anew, in smaller parts, where the memory of a device was too small."""
    # A fork of a process that has computed with several threads waits for the others for ever,
    # and between the forks of two folds this one loads and saves a network.
    torch.set_num_threads(1)
    while True:
        try:
            return ranks.run(train, devices)
        except TooLargeError as error:
            print(error)


def _environment(hardware: Hardware) -> ClusterEnvironment:
    """How the processes of this fit find each other."""
    place = launch.place()
    if hardware.world == 1 or not place:
        return LightningEnvironment()
    return TorchElasticEnvironment() if place.by == "torchrun" else SLURMEnvironment()


def _strategy(hardware: Hardware) -> Strategy | str:
    if hardware.world == 1:
        return "auto"
    if hardware.sharding == "full":  # `spread` has done it, before the optimiser was made
        return ModelParallelStrategy(
            lambda network, mesh: network,  # noqa: ARG005
            data_parallel_size=hardware.world,
            tensor_parallel_size=1,
        )
    # Batch norm is global and its buffers equal on all devices: nothing to broadcast.
    kind = DDPStrategy if hardware.num_nodes > 1 else OneMachine
    return kind(broadcast_buffers=False)


class OneMachine(DDPStrategy):
    """On its CPU, sums go straight from process to process."""

    def setup_environment(self) -> None:
        super().setup_environment()
        if self.root_device.type == "cpu":
            exchange.connect()

    def setup_module(self, module: nn.Module) -> DistributedDataParallel:
        model = super().setup_module(module)
        if self.root_device.type == "cpu":
            model.register_comm_hook(None, exchange.averaged)
        return model
