"""The engine of one machine: two fits at once, the pause between two fits, and its bookkeeping.

    python -m bench.engine [PAIRS] [EPOCHS]

1. Four fits of the default recipes on the digits for EPOCHS epochs, two at once and one at a time,
   each way in a process that starts anew, imports included; the two ways take turns. With one core
   for each fit, twice the speed is the most that there can be.
2. The time from the end of one fit to the first step of the next, on a place that is warm, beside
   the same for a fit that starts as a new process.
3. A thousand pieces of work that do nothing: for each hundred, the time and the processor time of
   the engine itself for one of them, and the memory of the engine and of its fork server.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import chdir
from pathlib import Path

import psutil

from bench.paired import ratio, shown
from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.config.load import load_params
from pipeline.core.component import make
from pipeline.core.paths import PARAMS_FILE
from pipeline.execution.engine import open_engine
from pipeline.execution.fit_process import FitProcess
from pipeline.execution.job import Job
from tests.execution.toy import Toy, toys

ROOT = Path(__file__).parents[1]
HARDWARE = Hardware(accelerator="cpu", precision="fp32", memory_format="channels_last")
CALL = "from bench import engine; engine.{}"


def execution(width: int) -> Execution:
    return Execution(engine=make("engine", "local", parallel_fits=width))


def prepared(folder: Path) -> None:
    """Link the code into a folder, and pack the digits there."""
    for part in ("pipeline", "stages", "bench", "tests", "dvc.yaml", PARAMS_FILE):
        (folder / part).symlink_to(ROOT / part)
    for stage in ("preprocess", "augment"):
        subprocess.run([sys.executable, "-m", f"stages.{stage}"], cwd=folder, check=True)


def fits(folder: Path, epochs: int, seeds: Iterable[int] = (1, 2)) -> list[Job]:
    """Fits in folders of their own: both recipes of params.yaml from each seed."""
    params, made = load_params(PARAMS_FILE), []
    for name, recipe in params.recipes.items():
        training = recipe.training.model_copy(update={"epochs": epochs, "patience": None})
        chosen = recipe.model_copy(update={"search": None, "training": training})
        for seed in seeds:
            own = folder / f"{name}_{seed}"
            made.append(
                Job(
                    title=own.name,
                    recipe=chosen,
                    task=params.task,
                    hardware=HARDWARE,
                    seed=seed,
                    folder=f"{own}",
                    spool=f"{own / 'run'}",
                    run={"name": own.name, "stage": "train", "fingerprint": ""},
                    network=f"{own / 'network'}",
                )
            )
    return made


def train(width: int, epochs: int) -> None:
    """Run the four fits on the data of the present folder."""
    with tempfile.TemporaryDirectory() as folder, open_engine(execution(width), HARDWARE) as engine:
        errors = [error for _, error in engine.run(fits(Path(folder), epochs)) if error]
    assert not errors, errors


def train_anew(width: int, epochs: int) -> None:
    """The same in a new process."""
    command = [sys.executable, "-c", CALL.format(f"train({width}, {epochs})")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def pauses(num: int) -> Iterator[tuple[float, float]]:
    """Yield the seconds to the end of the first epoch, on a warm place and of a new process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_engine(execution(1), HARDWARE) as engine,
    ):
        list(engine.run(fits(Path(folder) / "warm", 1)))
        for number in range(num):
            warm, new = (fits(Path(folder) / f"{kind}_{number}", 1)[0] for kind in "wn")
            begin_s = time.time()
            list(engine.run([warm]))
            warm_s = _first_step_s(warm) - begin_s
            begin_s = time.time()
            with FitProcess(new) as started:
                started.wait()
            yield warm_s, _first_step_s(new) - begin_s


def _first_step_s(job: Job) -> float:
    """When its first epoch ended: an epoch of the digits is some 20 steps, 0.1 s."""
    return (Path(job.folder) / "progress.json").stat().st_mtime


def bookkeeping() -> Iterator[tuple[float, float, float, float]]:
    """Yield the ms and the engine's processor ms of one, and the MB of engine and server."""
    with tempfile.TemporaryDirectory() as folder, open_engine(execution(2), HARDWARE) as engine:
        works: Iterator[Toy] = iter(toys(Path(folder), *["well"] * 1001))
        list(engine.run([next(works)]))
        for _ in range(10):
            begin_s, begin_own_s = time.perf_counter(), time.process_time()
            for _, error in engine.run([next(works) for _ in range(100)]):
                assert error is None
            each_ms = 10 * (time.perf_counter() - begin_s)
            own_ms = 10 * (time.process_time() - begin_own_s)
            server = max(psutil.Process().children(), key=lambda child: child.memory_info().rss)
            memory = (psutil.Process().memory_info().rss, server.memory_info().rss)
            yield each_ms, own_ms, memory[0] / 1e6, memory[1] / 1e6


def main() -> None:
    num_pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 250
    with tempfile.TemporaryDirectory() as folder:
        prepared(Path(folder))
        with chdir(folder):
            os.environ["PYTHONPATH"] = folder
            two = ratio(lambda: train_anew(1, epochs), lambda: train_anew(2, epochs), num_pairs)
            print(
                f"four fits of {epochs} epochs, two at once over one at a time: {shown(two)} "
                "times the speed"
            )
            both = sorted(pauses(num_pairs))
            warm, new = both[len(both) // 2]
            print(f"start to the end of the first epoch: {warm:.2f} s warm, {new:.2f} s new")
            for number, (each_ms, own_ms, own_mb, server_mb) in enumerate(bookkeeping(), 1):
                print(
                    f"{100 * number} of no work: {each_ms:.1f} ms each, {own_ms:.1f} of the "
                    f"engine's, engine {own_mb:.0f} MB, fork server {server_mb:.0f} MB"
                )


if __name__ == "__main__":
    main()
