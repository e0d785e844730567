"""Four writers, one MLflow server that is killed again and again, and what is there in the end.

    python -m bench.fire [KILLS] [MINUTES]

The server keeps its runs in PostgreSQL, which is killed with every tenth kill, too, and its
artifacts in an S3-like store. Each writer is a clone of its own that trains one member after
another; all of them begin with the same preprocessing, so they race for its run. When the last kill
is over (default: 100), or the time (default: 120), the writers end the fits that they are at, each
clone is synchronised, and every point that a stage has written is looked for on the server.
"""

import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from mlflow.entities import ViewType

from pipeline.core.files import read_json
from tests.conftest import Workspace, small
from tests.tracking.reading import Reader, written, wrong_points
from tests.tracking.servers import Tracking, serve

NUM_WRITERS = 4
NUM_MEMBERS = 100  # for each writer, more than it can train
EPOCHS = 40
LONGEST_S = 600


class Ended(NamedTuple):
    """One stage."""

    status: int
    held_s: float
    """From its outputs being in place to its end."""
    num_warnings: int
    others: list[str]
    """What it printed about the tracking server beside the warnings."""


def members(writer: int) -> Any:
    def edit(tree: dict[str, Any]) -> None:
        tree["tracking"] = {"experiment": "convoy"}
        tree["recipes"]["cnn"].pop("search", None)
        tree["recipes"]["cnn"]["training"].update(epochs=EPOCHS, patience=None)
        first = 1 + writer * NUM_MEMBERS
        seeds = enumerate(range(first, first + NUM_MEMBERS), 1)
        tree["members"] = {f"cnn_{n}": {"recipe": "cnn", "seed": seed} for n, seed in seeds}

    return edit


@contextmanager
def clones(folder: Path) -> Iterator[list[Workspace]]:
    """Yield clones whose members only have to be trained."""
    first = Workspace(folder / "0")
    first.edit(small)
    first.edit(members(0))
    first.edit(lambda tree: tree["tracking"].update(live=False))
    for stage in (["preprocess"], ["augment"], ["components"], ["search", "cnn"]):
        first.stage(*stage)
    made = [first, *(first.copied(folder / f"{n}") for n in range(1, NUM_WRITERS))]
    for number, clone in enumerate(made):
        clone.edit(members(number))
    yield made


def run(clone: Workspace, address: str, stage: str, key: str = "") -> Ended:
    command = ["python", "-m", f"stages.{stage}", *([key] if key else [])]
    process = clone.start(*command, MLFLOW_TRACKING_URI=address)
    status = process.wait()
    now_s = time.time()
    runs = clone.folder / "artifacts/runs" / stage / key
    printed = process.communicate(timeout=LONGEST_S)[0]  # also what its mirror prints afterwards
    lines = [line for line in printed.splitlines() if line]
    warnings = [line for line in lines if line.startswith("tracking: ")]
    own = (f"{stage}", "  ", "[")
    others = [line for line in lines if line not in warnings and not line.startswith(own)]
    return Ended(status, now_s - runs.stat().st_ctime, len(warnings), others)


def write(clone: Workspace, address: str, over: threading.Event) -> list[Ended]:
    ended = [run(clone, address, "preprocess")]
    for number in count(1):
        if over.is_set():
            break
        ended.append(run(clone, address, "train", f"cnn_{number}"))
    return ended


def kill(server: Tracking, num_kills: int, minutes: float) -> int:
    """Kill and start the server until one limit is reached; return the number of times."""
    draw, end_s = random.Random(0), time.monotonic() + 60 * minutes
    for number in range(1, num_kills + 1):
        time.sleep(draw.uniform(0.0, 2.0))
        server.kill()
        if number % 10 == 0:
            server.database.stop()
            server.database.start()
        server.start()
        print(f"killed and started {number} of {num_kills}", flush=True)
        if time.monotonic() > end_s:
            return number
    return num_kills


def report(clones: list[Workspace], server: Tracking, ended: list[Ended]) -> None:
    wrong = [line for c in clones for line in wrong_points(c.folder, Reader(server.client))]
    reader = Reader(server.client)
    found = [path for c in clones for path in (c.folder / "artifacts/runs").rglob("run.json")]
    folders = {read_json(path)["fingerprint"]: path.parent for path in found}.values()
    there = [reader.points(run) for run in reader.runs()]
    models = reader.all()["models"]
    held = [each.held_s for each in ended]
    warned = [each.num_warnings for each in ended]
    doubled = sum(n - 1 for points in there for n in points.values())
    print(f"stages: {len(ended)}, of which failed: {sum(each.status != 0 for each in ended)}")
    print(f"held up by the mirror: median {statistics.median(held):.1f} s, most {max(held):.1f} s")
    print(f"stages with 0, 1, more warnings: {warned.count(0)}, {warned.count(1)}, "
          f"{sum(n > 1 for n in warned)}")  # fmt: skip
    print(f"other lines about it: {[line for each in ended for line in each.others][:5]}")
    removed = len(reader.runs(ViewType.DELETED_ONLY))
    print(f"runs written {len(folders)} and {len(clones)} states, on the server {len(there)}")
    print(f"runs that were made twice, and removed: {removed}")
    print(f"points written {sum(written(f).total() for f in folders):,}, on the server "
          f"{sum(points.total() for points in there):,}, there twice {doubled}")  # fmt: skip
    print(f"models {len(models)}, of which twice {sum(len(own) > 1 for own in models.values())}")
    print("runs that differ from what was written:", wrong or "none")


def main() -> None:
    given = [int(each) for each in sys.argv[1:]]
    most, minutes = [*given, *(100, 120)[len(given) :]]
    over = threading.Event()
    with (
        tempfile.TemporaryDirectory() as folder,
        serve("fire") as server,
        clones(Path(folder)) as made,
    ):
        with ThreadPoolExecutor(NUM_WRITERS) as threads:
            writing = [threads.submit(write, clone, server.address, over) for clone in made]
            began_s = time.monotonic()
            try:
                num_kills = kill(server, most, minutes)
            finally:
                over.set()
            ended = [each for writer in writing for each in writer.result()]
        print(f"{num_kills} kills, {NUM_WRITERS} writers, {time.monotonic() - began_s:.0f} s")
        for clone in made:
            command, env = ["python", "-m", "pipeline", "sync"], server.address
            print(clone.run(*command, MLFLOW_TRACKING_URI=env).strip())
        report(made, server, ended)


if __name__ == "__main__":
    try:
        main()
    except subprocess.TimeoutExpired as error:
        sys.exit(f"a mirror did not end: {error}")
