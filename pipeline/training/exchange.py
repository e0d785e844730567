"""Sums over the processes of a fit; on one machine's CPU straight from each to each.

gloo, torch's own way between CPUs, hands every sum to threads of its own. While the processes keep
all cores busy those wait for their turn, and a sum of a few bytes takes milliseconds
(bench/results/devices.md).
"""

from multiprocessing.connection import Client, Connection, Listener
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor
from torch.distributed import GradBucket  # type: ignore[attr-defined]
from torch.futures import Future

SHORT = "/tmp"  # a socket's path has 107 characters at most, and TMPDIR's may be long
CHUNK_BYTES = 1 << 15  # fits the buffer of a socket: all may send before any receives

_peers: dict[int, Connection] = {}
"""By rank. One set a process, as torch has one default group."""


def connect() -> None:
    """Have the processes of torch's default group, all on this machine, talk to each other."""
    if _peers:
        return
    rank, addresses = dist.get_rank(), [""] * world()
    with (
        TemporaryDirectory(prefix="convoy-", dir=SHORT) as folder,
        Listener(f"{folder}/{rank}", "AF_UNIX", backlog=world()) as listener,
    ):
        dist.all_gather_object(addresses, listener.address)
        for other in range(rank):
            _peers[other] = Client(addresses[other])
            _peers[other].send(rank)
        for _ in range(rank + 1, world()):
            caller = listener.accept()
            _peers[caller.recv()] = caller


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size()


def gathered(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "r *shape"]:
    """From all processes, by rank.

    Raises:
        RuntimeError: another process has ended.
    """
    by_rank = values.new_zeros(world(), *values.shape)
    by_rank[dist.get_rank()] = values
    if not _peers:
        dist.all_reduce(by_rank)
        return by_rank
    try:
        _deal(by_rank)
    except (EOFError, OSError):
        raise RuntimeError("Connection closed by peer") from None
    return by_rank


def summed(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Over all processes; the same bits in each."""
    if _peers:
        return gathered(values).sum(0)
    total = values.contiguous().clone()
    dist.all_reduce(total)
    return total


def averaged(state: None, bucket: GradBucket) -> Future[Tensor]:  # noqa: ARG001
    """A hook of DDP, for a bucket of gradients."""
    done: Future[Tensor] = Future()
    done.set_result(summed(bucket.buffer()).div_(world()))
    return done


def _deal(by_rank: Shaped[Tensor, "r *shape"]) -> None:
    """Send what is our own to all, and put what they send in its place."""
    places = [row.view(-1).view(torch.uint8).numpy().data for row in by_rank]
    own = places[dist.get_rank()]
    for begin in range(0, len(own), CHUNK_BYTES):
        chunk = slice(begin, begin + CHUNK_BYTES)
        for peer in _peers.values():
            peer.send_bytes(own[chunk])
        for rank, peer in _peers.items():
            peer.recv_bytes_into(places[rank][chunk])
