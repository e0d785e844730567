"""Work in several forked processes that form a gloo group."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import torch.distributed as dist
from torch.multiprocessing import start_processes

TIMEOUT = timedelta(minutes=1)  # of one collective; gloo's default is half an hour


def run(work: Callable[[int], None], num: int) -> None:
    """Call `work` with its rank in each of `num` processes, and wait for all of them.

    Raises:
        ProcessRaisedException: a process raised an error, whose traceback is the message.
        ProcessExitedException: a process ended in another way.
    """
    with TemporaryDirectory() as folder:
        arguments = (work, num, Path(folder) / "store")
        start_processes(_join, arguments, nprocs=num, start_method="fork")


def _join(rank: int, work: Callable[[int], None], num: int, store: Path) -> None:
    dist.init_process_group(
        "gloo", init_method=store.as_uri(), rank=rank, world_size=num, timeout=TIMEOUT
    )
    work(rank)
    # Not after an error: the others would notice, and be the first to tell theirs.
    dist.destroy_process_group()
