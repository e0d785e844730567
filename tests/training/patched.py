"""Changes to the processes of a fit. All devices are changed alike; some act on one alone."""

import os
import signal
import time
from typing import Any

import torch
import torch.distributed as dist
from pytest import MonkeyPatch

from pipeline.core.errors import UserError
from pipeline.models.network import Network
from pipeline.training import sharding
from pipeline.training.module import ConvoyModule
from tests.training import fits


def rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def frequent(patch: MonkeyPatch) -> None:
    """A checkpoint at every other step."""
    fits.save_often(patch)


def small_units(patch: MonkeyPatch) -> None:
    """Cut networks into several units."""
    patch.setattr(sharding, "UNIT", 100)


def rank_1_holds_2(patch: MonkeyPatch) -> None:
    """The second device cannot learn from more than two images at once."""
    forward = Network.forward

    def narrow(self: Network, images: torch.Tensor) -> torch.Tensor:
        if rank() == 1 and self.training and len(images) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, images)

    patch.setattr(Network, "forward", narrow)


def _in_step_3_of_rank_1(patch: MonkeyPatch, act: Any) -> None:
    update, done = ConvoyModule.update, []

    def acting(*arguments: Any) -> Any:
        done.append(1)
        if rank() == 1 and len(done) == 3:
            act()
        return update(*arguments)

    patch.setattr(ConvoyModule, "update", acting)


def slow(patch: MonkeyPatch) -> None:
    """A step takes a second, in which nothing is heard of signals."""
    update = ConvoyModule.update

    def lasting(*arguments: Any) -> Any:
        time.sleep(1)
        return update(*arguments)

    patch.setattr(ConvoyModule, "update", lasting)


def rank_1_is_late(patch: MonkeyPatch) -> None:
    """The second device comes to the meeting after the time limit."""
    meet = dist.init_process_group

    def late(*arguments: Any, **named: Any) -> None:
        if rank() == 1:
            time.sleep(10)
        meet(*arguments, **named)

    patch.setattr(dist, "init_process_group", late)


def rank_0_is_ended_early(patch: MonkeyPatch) -> None:
    """The first device is asked to leave before all devices have met."""
    _ended_early(patch, wanted=0)


def rank_1_is_ended_early(patch: MonkeyPatch) -> None:
    """The second device is asked to leave before all devices have met."""
    _ended_early(patch, wanted=1)


def _ended_early(patch: MonkeyPatch, wanted: int) -> None:
    meet = dist.init_process_group

    def ended(*arguments: Any, **named: Any) -> None:
        if rank() == wanted:
            os.kill(os.getpid(), signal.SIGTERM)
        meet(*arguments, **named)

    patch.setattr(dist, "init_process_group", ended)


def rank_1_fails(patch: MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError("the reason")

    _in_step_3_of_rank_1(patch, fail)


def rank_1_refuses(patch: MonkeyPatch) -> None:
    def refuse() -> None:
        raise UserError("key: got a; allowed b")

    _in_step_3_of_rank_1(patch, refuse)


def rank_1_fails_while_the_other_hangs(patch: MonkeyPatch) -> None:
    rank_1_fails(patch)
    update, done = ConvoyModule.update, []

    def hanging(*arguments: Any) -> Any:
        done.append(1)
        if rank() == 0 and len(done) == 3:
            signal.pause()
        return update(*arguments)

    patch.setattr(ConvoyModule, "update", hanging)


def apply(names: str) -> None:
    """Make the changes, named with commas between them, in this process and its forks."""
    for name in filter(None, names.split(",")):
        globals()[name](MonkeyPatch())
