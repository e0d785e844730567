"""Sums over processes, whichever way they take."""

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from pipeline.errors import UserError
from pipeline.training import exchange, ranks
from tests.training.test_ranks import rank

WORLD = 3
VALUES = {
    "number": torch.tensor(0.1),
    "nothing": torch.zeros(0),
    "turned": torch.rand(5, 7).T,
    "doubles": torch.rand(11, dtype=torch.float64),
    "many": torch.randn(3, 20_001),  # more than a chunk, and no multiple of one
}


def join(directly: bool) -> None:
    dist.init_process_group("gloo", rank=rank(), world_size=WORLD)
    if directly:
        exchange.connect()
        exchange.connect()  # as in the second fold of a process that torchrun started


@pytest.mark.parametrize("directly", [False, True])
def test_all_processes_get_the_same_sum(directly: bool, tmp_path: Path) -> None:
    def work() -> None:
        join(directly)
        own = {name: values * (rank() + 1) for name, values in VALUES.items()}
        found = {n: (exchange.gathered(own[n]), exchange.summed(own[n])) for n in own}
        torch.save(found, tmp_path / f"{rank()}")

    ranks.run(work, WORLD)
    first, *others = (torch.load(tmp_path / f"{place}") for place in range(WORLD))
    for name, values in VALUES.items():
        by_rank, total = first[name]
        assert torch.equal(by_rank, torch.stack([values * (r + 1) for r in range(WORLD)]))
        torch.testing.assert_close(total, by_rank.sum(0))
        assert all(torch.equal(other[name][1], total) for other in others)


def test_who_waits_for_a_process_that_has_ended_is_told(tmp_path: Path) -> None:
    def work() -> None:
        join(directly=True)
        if rank() == 1:
            os._exit(0)
        with pytest.raises(RuntimeError, match="Connection closed by peer"):
            exchange.summed(VALUES["many"])
        (tmp_path / f"{rank()}").touch()

    ranks.run(work, WORLD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "2"]


@pytest.mark.parametrize("directly", [False, True])
def test_launched_processes_say_in_a_line_that_another_has_ended(directly: bool) -> None:
    def work() -> None:
        join(directly)
        if rank() == 1:  # not the one in which all find each other
            os._exit(0)
        with pytest.raises(UserError, match="another process of this fit has ended"):
            ranks.run_here(lambda: exchange.summed(VALUES["doubles"]) and None)

    ranks.run(work, WORLD)
