"""One unit of work, described by a file that holds everything its process needs to know."""

import json
from hashlib import sha256
from pathlib import Path
from socket import gethostname
from typing import Any, ClassVar, TypeVar

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.core.component import Strict
from pipeline.core.errors import UserError
from pipeline.core.paths import DONE
from pipeline.core.run_log import Spool

W = TypeVar("W", bound="Work")
JOB_FILE = "job.json"


class Work(Strict):
    """What a process of its own does. Its folder belongs to it alone, and survives a kill."""

    MODULE: ClassVar[str]
    """The module that runs it: `python -m MODULE FILE`, or its function `main(FILE)`."""
    IMPORTS: ClassVar[tuple[str, ...]] = ()
    """What its process needs and is slow to import; a fork finds it imported already."""

    title: str
    """The name of the work in its lines of progress."""
    hardware: Hardware
    execution: Execution = Execution()
    folder: str
    """Where it keeps its state. Work that finds some resumes from it, bit for bit as if it had
    never stopped; so a folder belongs to one recipe, seed and data set."""
    spool: str
    """The folder of the run that receives the metrics."""
    run: dict[str, Any] | None = None
    """What `run.json` is to hold when the work starts; null: the run is open already."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files and folders that it reads, where nodes share no disk."""
        return ()

    @property
    def result(self) -> Path | None:
        """A path that exists once the work has succeeded, if there is one."""
        return None

    @property
    def file(self) -> Path:
        """The file from which its processes are started."""
        return Path(self.folder) / JOB_FILE

    @property
    def is_done(self) -> bool:
        """Whether exactly this work has succeeded before, however it was executed."""
        mark = Path(self.folder) / DONE
        has_result = self.result is None or self.result.exists()
        return has_result and mark.is_file() and mark.read_text() == self._digest()

    def mark_done(self) -> None:
        """Note that the work has succeeded."""
        (Path(self.folder) / DONE).write_text(self._digest())

    def _digest(self) -> str:
        tree = self.model_dump(mode="json", exclude={"execution", "title"})
        return sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()

    @classmethod
    def load(cls: type[W], path: Path) -> W:
        """Read what `save` wrote.

        Raises:
            UserError: there is no such file.
        """
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError:
            raise UserError(
                f"{path}: not found on {gethostname()}; put the repository on a disk that all "
                "nodes share"
            ) from None

    def prepare(self) -> None:
        """Open the run, and write the file from which the processes are started."""
        if self.run is not None:
            Spool(Path(self.spool)).begin(self.run)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.model_dump_json(indent=1))
