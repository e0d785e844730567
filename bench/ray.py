"""The engine of a Ray cluster beside that of one machine, and what a lost node costs.

    python -m bench.ray [PAIRS] [EPOCHS]

Three nodes of one CPU each run on this machine, started by Ray's own utility for clusters.

1. Six fits that wait for 10 s each, three at once: Ray over local, both engines staying open and
   taking turns. They need no processor, so this is what Ray's scheduling costs.
2. Four fits of the digits for EPOCHS epochs, two at once: the same for real fits, which on two
   cores share these with the processes of Ray.
3. Twenty fits of a fifth of these epochs; when ten have ended, all processes of one node are
   killed. How many fits end, and how many with the bits that they have on the local engine: on
   nodes that share a disk, and on nodes that share none.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.engine import HARDWARE, execution, fits, prepared
from bench.paired import shown, typical
from pipeline.config.execution import Execution
from pipeline.core.component import make
from pipeline.core.dvcfile import content_hash
from pipeline.execution.engine import Engine, open_engine
from pipeline.execution.job import Job
from pipeline.execution.work import Work
from tests.execution.nodes import Nodes
from tests.execution.toy import toys

FIT_S = 10.0
NUM_LOST = 10
SEEDS = range(1, 11)  # of two recipes each

_number = count()


def folder() -> Path:
    """Return a folder that no earlier work had, below the present one."""
    return Path("runs") / f"{next(_number)}"


def run(engine: Engine, works: Sequence[Work]) -> None:
    """Run works that all have to succeed."""
    errors = [error for _, error in engine.run(works) if error]
    assert not errors, errors


def waiting() -> list[Work]:
    made = toys(folder().absolute(), *["well"] * 6)
    return [work.model_copy(update={"takes_s": FIT_S}) for work in made]


@contextmanager
def cluster(disks: Path) -> Iterator[Nodes]:
    nodes = Nodes(3, disks)
    try:
        yield nodes
    finally:
        nodes.close()


def on_ray(nodes: Nodes, **settings: Any) -> Execution:
    return Execution(engine=make("engine", "ray", address=nodes.address, **settings))


def opened(settings: Execution, stack: ExitStack) -> Engine:
    """Open an engine, and have all its places import torch; say how long that takes."""
    begin_s = time.perf_counter()
    engine = stack.enter_context(open_engine(settings, HARDWARE))
    run(engine, fits(folder(), 1))
    print(f"{settings.engine.name}: opened and warm in {time.perf_counter() - begin_s:.1f} s")
    return engine


def processor_s() -> float:
    """Return the processor time of this process and of all that descend from it, Ray's included."""
    own = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in (own, *own.children(recursive=True)))


CLOCKS = {"time": time.perf_counter, "processor time": processor_s}


def seconds(work: Callable[[], object]) -> np.ndarray:
    """Return what some work takes by each clock."""
    begin = [clock() for clock in CLOCKS.values()]
    work()
    return np.array([clock() for clock in CLOCKS.values()]) - begin


def compared(
    nodes: Nodes, title: str, width: int, works: Callable[[], Sequence[Work]], num_pairs: int
) -> None:
    """Print how many times as much the works take on Ray as on the local engine."""
    with ExitStack() as stack:
        local = opened(execution(width), stack)
        ray = opened(on_ray(nodes, parallel_fits=width), stack)
        pairs = [
            seconds(lambda: run(ray, works())) / seconds(lambda: run(local, works()))
            for _ in range(num_pairs)
        ]
    for clock, ratios in zip(CLOCKS, np.transpose(pairs), strict=True):
        print(f"{title}, {clock}, Ray over local: {shown(typical(ratios))}", flush=True)


def scheduling(nodes: Nodes, num_pairs: int, epochs: int) -> None:
    compared(nodes, f"six fits that wait {FIT_S:.0f} s, three at once", 3, waiting, num_pairs)
    title = f"four fits of {epochs} epochs, two at once"
    compared(nodes, title, 2, lambda: fits(folder(), epochs), num_pairs)


def hashes(works: Sequence[Job]) -> list[str]:
    return [content_hash(Path(f"{work.network}")) for work in works]


def lost(nodes: Nodes, settings: Execution, epochs: int) -> list[Job]:
    """Run twenty fits, and kill a node when ten of them have ended; return those that end."""
    ended, works = [], fits(folder(), epochs, SEEDS)
    with open_engine(settings, HARDWARE) as engine:
        for work, error in engine.run(works):
            ended += [] if error else [work]
            if len(ended) == NUM_LOST:
                nodes.lose()
    nodes.add()
    assert len(ended) == len(works), "a fit has failed"
    return works


def losses(nodes: Nodes, epochs: int) -> None:
    """Print what a lost node costs."""
    alone = fits(folder(), epochs, SEEDS)
    with open_engine(execution(2), HARDWARE) as engine:
        run(engine, alone)
    url = f"file://{Path('checkpoints').absolute()}"
    for title, settings in {
        "a shared disk": on_ray(nodes, parallel_fits=6),
        "no shared disk": on_ray(nodes, parallel_fits=6, shared_disk=False, checkpoint_url=url),
    }.items():
        works = lost(nodes, settings, epochs)
        equal = sum(a == b for a, b in zip(hashes(works), hashes(alone), strict=True))
        print(f"{title}, one of three nodes killed: {len(works)} fits ended, {equal} as local")


def main() -> None:
    num_pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with tempfile.TemporaryDirectory() as made, chdir(made):
        prepared(Path(made))
        with cluster(Path(made) / "disks") as nodes:
            scheduling(nodes, num_pairs, epochs)
            losses(nodes, epochs // 5)


if __name__ == "__main__":
    main()
