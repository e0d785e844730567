"""Training steps in a process that keeps the memory it frees, against ones that hand it back.

    python -m bench.kept_memory [ROUNDS [NAME…]]

`pipeline/models/cpu.py` is compared with plain torch, for the networks of bench/precision.py with
the arithmetic of `auto` on one thread; and with a plain loop, which neither keeps memory nor
chooses a precision or a layout. The three processes stay alive and take their steps in turn. It
prints how many times faster the one that keeps memory is than each other, by processor time; the
pages that the kernel clears in a step, with memory handed back and kept; and the peak memory.
"""

import resource
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection, Pipe
from typing import NamedTuple

import numpy as np
import torch

from bench.paired import shown, typical
from bench.precision import FP32, network, training
from pipeline.models import cpu

NAMES = ("cnn 28 px", "resnet 28 px", "resnet 64 px", "airbench 32 px", "resnet50 96 px")
WAYS = ("plain", "handed back", "kept")
PAIR = WAYS[1:]
NUM_STEPS = 10


class Taken(NamedTuple):
    own_s: float
    pages: float
    """Pages cleared in a step."""
    peak_mib: float
    """Memory above what the process held before its first step."""


def work(way: str, name: str, asked: Connection) -> None:
    """Take steps whenever asked."""
    cpu.use(1) if way == "kept" else torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps = training(name, network(name, FP32 if way == "plain" else None))
    steps(3)
    while asked.recv():
        begin, first = time.process_time(), resource.getrusage(resource.RUSAGE_SELF)
        steps(NUM_STEPS)
        own_s, last = time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF)
        pages = (last.ru_minflt - first.ru_minflt) / NUM_STEPS
        asked.send(Taken(own_s, pages, (last.ru_maxrss - before) / 1024))


def compared(name: str, num_rounds: int) -> dict[str, list[Taken]]:
    """Return the measurements of each way's steps."""
    context, ends = get_context("spawn"), {}
    for way in WAYS:
        ends[way], theirs = Pipe()
        context.Process(target=work, args=(way, name, theirs), daemon=True).start()
    found: dict[str, list[Taken]] = {way: [] for way in WAYS}
    for _ in range(num_rounds):
        for way, end in ends.items():
            end.send(True)
            found[way].append(end.recv())
    for end in ends.values():
        end.send(False)
    return found


def main(num_rounds: int, names: list[str]) -> None:
    print("| network | than handed back | than plain | pages a step | peak, MiB |")
    print("|---|---|---|---|---|")
    for name in names:
        found = compared(name, num_rounds)
        pages, peaks = (
            " → ".join(f"{np.median([getattr(t, what) for t in found[way]]):,.0f}" for way in PAIR)
            for what in ("pages", "peak_mib")
        )
        times = " | ".join(_faster(found["kept"], found[way]) for way in ("handed back", "plain"))
        print(f"| {name} | {times} | {pages} | {peaks} |", flush=True)


def _faster(fast: list[Taken], slow: list[Taken]) -> str:
    ratios = np.array([s.own_s / f.own_s for s, f in zip(slow, fast, strict=True)])
    return shown(typical(ratios))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7, sys.argv[2:] or list(NAMES))
