"""The process of a fit with something changed: `PATCHES` in the environment names what.

Lightning starts this module again for every device, so all of them are changed alike.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from pytest import MonkeyPatch

from pipeline.errors import UserError
from pipeline.network import Network
from pipeline.training import run, sharding
from pipeline.training.module import ConvoyModule
from tests.training import fits

RANK = int(os.environ.get("LOCAL_RANK", "0"))


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
        if RANK == 1 and self.training and len(images) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, images)

    patch.setattr(Network, "forward", narrow)


def _in_step_3_of_rank_1(patch: MonkeyPatch, act: Any) -> None:
    update, done = ConvoyModule.update, []

    def acting(*arguments: Any) -> Any:
        done.append(1)
        if RANK == 1 and len(done) == 3:
            act()
        return update(*arguments)

    patch.setattr(ConvoyModule, "update", acting)


def rank_0_is_ended_early(patch: MonkeyPatch) -> None:
    """The first device is asked to leave before all devices have met."""
    _ended_early(patch, rank=0)


def rank_1_is_ended_early(patch: MonkeyPatch) -> None:
    """The second device is asked to leave before all devices have met."""
    _ended_early(patch, rank=1)


def _ended_early(patch: MonkeyPatch, rank: int) -> None:
    meet = dist.init_process_group

    def ended(*arguments: Any, **named: Any) -> None:
        if rank == RANK:
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
    if RANK == 0:
        update, done = ConvoyModule.update, []

        def hanging(*arguments: Any) -> Any:
            done.append(1)
            if len(done) == 3:
                signal.pause()
            return update(*arguments)

        patch.setattr(ConvoyModule, "update", hanging)


if __name__ == "__main__":
    for name in filter(None, os.environ["PATCHES"].split(",")):
        globals()[name](MonkeyPatch())
    run.main(Path(sys.argv[1]))
