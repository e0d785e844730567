"""Work that takes no time or as long as a test wants, done by this module's `main`."""

import os
import time
from pathlib import Path
from typing import ClassVar

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.core import process
from pipeline.core.component import make
from pipeline.core.errors import UserError
from pipeline.execution.messages import Again, report
from pipeline.execution.progress import Progress
from pipeline.execution.work import Work

CPU = Hardware(accelerator="cpu")


class Toy(Work):
    """Waits until a file is there, then ends as it is told."""

    MODULE: ClassVar[str] = "tests.execution.toy"

    waits_for: str | None = None
    takes_s: float = 0.0
    prints: str = ""
    """Printed with some progress, a second before the end."""
    ends: str = "well"


def toys(folder: Path, *ends: str, waits_for: Path | None = None) -> list[Toy]:
    """One for each way to end, in folders of their own."""
    return [
        Toy(
            title=f"toy {i}",
            hardware=CPU,
            folder=f"{folder / f'toy_{i}'}",
            spool=f"{folder / f'toy_{i}' / 'run'}",
            run={"name": f"toy {i}", "fingerprint": "f"},
            waits_for=f"{waits_for}" if waits_for else None,
            ends=way,
        )
        for i, way in enumerate(ends)
    ]


def execution(parallel_fits: int) -> Execution:
    return Execution(engine=make("engine", "local", parallel_fits=parallel_fits))


def main(path: Path) -> None:
    """Do the work of one toy."""
    process.prepare_fit()
    toy = Toy.load(path)
    with report(Path(toy.folder)):
        with (Path(toy.folder) / "begun").open("a") as file:
            file.write(f"{os.getpid()}\n")
        (Path(toy.folder) / "gpus").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
        while toy.waits_for and not Path(toy.waits_for).exists():
            time.sleep(0.01)
        time.sleep(toy.takes_s)
        if toy.prints:
            print(toy.prints)
            Progress(3, 5, "val/log_loss 0.25", 100.0).save(Path(toy.folder))
            time.sleep(1.0)
        _end(toy)


def _end(toy: Toy) -> None:
    begun = num_begun(toy)
    if toy.ends == "mistake":
        raise UserError("toys: got a mistake; allowed none")
    if toy.ends == "failure":
        raise ValueError("broken")
    if toy.ends == "killed":
        os.kill(os.getpid(), 9)
    if toy.ends == "left" and begun == 1:
        os.kill(os.getpid(), 15)
    if toy.ends == "again" and begun < 3:
        raise Again(f"attempt {begun} was not enough")


def num_begun(toy: Toy) -> int:
    """How many processes have worked on it."""
    begun = Path(toy.folder) / "begun"
    return len(begun.read_text().split()) if begun.exists() else 0
