"""Ranks: real processes that fail, are killed or asked to leave.

Where one were left, or waited for in vain, these tests would not end.
"""

import os
import signal
import threading
from collections.abc import Callable

import psutil
import pytest
import torch
import torch.distributed as dist

from pipeline.errors import UserError
from pipeline.training import ranks


def rank() -> int:
    return int(os.environ["LOCAL_RANK"])


def none_is_left() -> bool:
    """Ranks are forked, so they look like this process itself."""
    own = psutil.Process()
    return own.cmdline() not in [child.cmdline() for child in own.children(recursive=True)]


def wait_for_the_other() -> None:
    """As a collective does: deaf to SIGTERM, and failing when the other has gone."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    dist.init_process_group("gloo", rank=rank(), world_size=2)
    if rank() == 0:
        dist.all_reduce(torch.zeros(1))


def fail() -> None:
    wait_for_the_other()
    raise ValueError("the reason")


def refuse() -> None:
    wait_for_the_other()
    raise UserError("key: got a; allowed b")


def be_killed() -> None:
    wait_for_the_other()
    os.kill(os.getpid(), signal.SIGKILL)


def fail_while_the_other_hangs() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if rank() == 1:
        raise ValueError("the reason")
    signal.pause()


@pytest.mark.parametrize("work", [fail, fail_while_the_other_hangs])
def test_the_error_of_the_rank_that_failed_first_is_told(work: Callable[[], None]) -> None:
    with pytest.raises(ranks.RankError, match="rank 1 of 2 has failed, the others") as caught:
        ranks.run(work, 2)
    assert "ValueError: the reason" in str(caught.value.__cause__)
    assert none_is_left()


def test_a_mistake_is_told_as_it_is() -> None:
    with pytest.raises(UserError, match=r"^key: got a; allowed b$"):
        ranks.run(refuse, 2)


def test_a_killed_rank_is_told_by_its_signal() -> None:
    with pytest.raises(UserError, match=r"rank 1 was ended by signal 9 \(SIGKILL\)"):
        ranks.run(be_killed, 2)
    assert none_is_left()


def test_all_meet_and_end_well(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        dist.init_process_group("gloo", rank=rank(), world_size=3)
        total = torch.tensor([rank() + 1.0])
        dist.all_reduce(total)
        os.write(1, f"{rank()} {total.item()}\n".encode())

    ranks.run(work, 3)
    assert sorted(capfd.readouterr().out.splitlines()) == ["0 6.0", "1 6.0", "2 6.0"]


def test_who_is_asked_to_leave_asks_the_ranks_and_waits(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"saved\n") and os._exit(ranks.LEFT))
        signal.pause()

    def leave(*_: object) -> None:
        raise SystemExit(ranks.LEFT)

    before = signal.signal(signal.SIGTERM, leave)
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        with pytest.raises(SystemExit) as left:
            ranks.run(work, 2)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left.value.code == ranks.LEFT
    assert capfd.readouterr().out == "saved\nsaved\n"
    assert none_is_left()


def test_ranks_that_leave_on_their_own_are_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        if rank() == 0:
            threading.Event().wait(0.5)
            os.write(1, b"saved\n")
        raise SystemExit(ranks.LEFT)

    with pytest.raises(SystemExit) as left:
        ranks.run(work, 2)
    assert left.value.code == ranks.LEFT
    assert capfd.readouterr().out == "saved\n"


def test_a_rank_that_another_program_started_says_in_a_line_who_has_gone() -> None:
    def work() -> None:
        ranks.run_here(wait_for_the_other)
        os._exit(0)  # rank 1, at once

    with pytest.raises(UserError, match="another process of this fit has ended"):
        ranks.run(work, 2)
