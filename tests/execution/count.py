"""Work that counts, and goes on from its checkpoint: `main` is run as that of a fit is."""

import json
import time
from pathlib import Path
from typing import ClassVar

from pipeline.core import process
from pipeline.core.files import write_json
from pipeline.core.run_log import Spool
from pipeline.execution.messages import report
from pipeline.execution.work import Work
from tests.execution.toy import CPU

STOP = 20


class Count(Work):
    """Counts to `until`. Where it began, and what it read, are its result."""

    MODULE: ClassVar[str] = "tests.execution.count"

    reads: str
    """A file of the repository."""
    until: int = 2 * STOP
    goes_on_with: str = ""
    """A file without which it counts no further than `STOP`."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        return (Path(self.reads),)

    @property
    def result(self) -> Path:
        return Path(self.folder) / "result.json"


def count(number: int, reads: Path, goes_on_with: Path) -> Count:
    folder = Path("counts") / f"{number}"
    return Count(
        title=f"count {number}",
        hardware=CPU,
        folder=f"{folder}",
        spool=f"{folder / 'run'}",
        run={"name": f"count {number}", "fingerprint": "f"},
        reads=f"{reads}",
        goes_on_with=f"{goes_on_with}",
    )


def main(path: Path) -> None:
    """Count, and keep the number reached in a checkpoint."""
    process.prepare_fit()
    wanted = Count.load(path)
    with report(Path(wanted.folder)):
        checkpoint = Path(wanted.folder) / "epoch.ckpt"
        begun = json.loads(checkpoint.read_text()) if checkpoint.exists() else 0
        for number in range(begun + 1, wanted.until + 1):
            while number > STOP and not Path(wanted.goes_on_with).exists():
                time.sleep(0.01)
            unfinished = checkpoint.with_suffix(".part")
            unfinished.write_text(f"{number}")
            unfinished.replace(checkpoint)
        Spool(Path(wanted.spool)).record({"begun": begun})
        write_json(wanted.result, {"begun": begun, "read": Path(wanted.reads).read_text()})
