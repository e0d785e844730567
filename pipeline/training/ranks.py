"""The processes of a fit on several devices of this machine: forked, watched and ended together.

Each is called a rank. The first that dies ends the others within a second, and its error is the one
that is told: all that the others can say is that a neighbour has gone.
"""

import multiprocessing
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import NamedTuple

from pipeline import process
from pipeline.errors import UserError

POLL_S = 0.5
SETTLE_S = 0.2  # until all that die together are dead
LEAVE_S = 30.0  # for those that are asked to leave: a large checkpoint takes a while
LEFT = 128 + signal.SIGTERM  # the exit status of a rank that was asked to leave
SIGNS_OF_A_LOSS = (  # what a collective raises where a neighbour has gone: gloo, then NCCL
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "DistBackendError",
    "DistNetworkError",
)


class RankError(RuntimeError):
    """A rank has failed; the cause is its traceback."""


class Told(NamedTuple):
    """What a rank says of its failure."""

    at_s: float
    """The machine's monotonic time: the first failure is the cause of the others."""
    mistake: UserError | None
    trace: str


@dataclass(frozen=True)
class Rank:
    process: ForkProcess
    hears: Connection


def run(work: Callable[[], None], num: int) -> None:
    """Run `work` in `num` processes, which find each other by what is set in their environment.

    They start in a second, being forked, and code after this runs once. However this ends, none of
    them goes on.

    Raises:
        UserError: a rank raised it, or was ended by a signal.
        RankError: a rank failed in another way.
        SystemExit: the ranks were asked to leave, and did.
    """
    port = _free_port()
    ranks: list[Rank] = []
    try:
        ranks.extend(_start(work, place, port) for place in range(num))
        _watch(ranks)
    except BaseException as error:
        if not isinstance(error, Exception):  # we are to leave: so are they
            for rank in ranks:
                rank.process.terminate()
            _join(ranks, LEAVE_S)
        raise
    finally:
        for rank in ranks:
            rank.process.kill()
            rank.process.join()


def run_here(work: Callable[[], None]) -> None:
    """Run `work` in this rank of those that another program has started, and is to end.

    Raises:
        UserError: another rank has ended; one line, so that its own error is not lost to sight.
    """
    try:
        work()
    except RuntimeError as error:
        if not any(sign in f"{type(error).__name__}: {error}" for sign in SIGNS_OF_A_LOSS):
            raise
        raise UserError(
            "another process of this fit has ended; what it said is the cause"
        ) from None


def _start(work: Callable[[], None], place: int, port: int) -> Rank:
    hears, tells = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    rank = Rank(context.Process(target=_be, args=(work, place, port, os.getpid(), tells)), hears)
    rank.process.start()
    return rank


def _be(work: Callable[[], None], place: int, port: int, parent: int, tells: Connection) -> None:
    """The life of a rank."""
    # A rank that waits for another in a collective is deaf to all signals but this one.
    process.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the parent asks us to leave
    own = {"LOCAL_RANK": f"{place}", "NODE_RANK": "0"}
    os.environ.update(own, MASTER_ADDR="127.0.0.1", MASTER_PORT=f"{port}")
    try:
        work()
    except Exception as error:
        mistake = error if isinstance(error, UserError) else None
        tells.send(Told(time.monotonic(), mistake, traceback.format_exc()))
        raise SystemExit(1) from None


def _watch(ranks: Sequence[Rank]) -> None:
    """Until all are done, or one has failed."""
    while None in (codes := [rank.process.exitcode for rank in ranks]) and not any(codes):
        alive = [r.process.sentinel for r, code in zip(ranks, codes, strict=True) if code is None]
        wait(alive, POLL_S)  # a sentinel is late where the rank leaves a child of its own
    if any(codes):
        _join(ranks, LEAVE_S if LEFT in codes else SETTLE_S)
        raise _failure(ranks)


def _join(ranks: Sequence[Rank], wait_s: float) -> None:
    end_s = time.monotonic() + wait_s
    for rank in ranks:
        rank.process.join(max(0.0, end_s - time.monotonic()))


def _failure(ranks: Sequence[Rank]) -> BaseException:
    """What went wrong first. A signal leaves no word, and whatever is said comes after it."""
    codes = [rank.process.exitcode or 0 for rank in ranks]
    for place, code in enumerate(codes):
        if code < 0:
            return UserError(
                f"rank {place} was ended by signal {-code} ({signal.Signals(-code).name}), the "
                "others with it; run the same command again: it goes on from its last checkpoint"
            )
    heard = [(_heard(rank), place) for place, rank in enumerate(ranks)]
    told = [(said, place) for said, place in heard if said]
    if not told:
        status = next(filter(None, codes))
        return SystemExit(LEFT) if status == LEFT else RankError(f"exit status {status}")
    first, place = min(told, key=lambda pair: pair[0].at_s)
    if first.mistake:
        return first.mistake
    failed = RankError(f"rank {place} of {len(ranks)} has failed, the others were ended")
    failed.__cause__ = RankError(f"rank {place} said:\n{first.trace}")
    return failed


def _heard(rank: Rank) -> Told | None:
    try:
        said: Told | None = rank.hears.recv() if rank.hears.poll() else None
    except EOFError:  # it ended without a word
        return None
    return said


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
