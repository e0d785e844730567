"""One fit, described by a file that holds everything the process running it needs to know."""

from pathlib import Path
from socket import gethostname

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.config.params import Task
from pipeline.config.recipes import Recipe
from pipeline.config.types import Positive, Seed
from pipeline.core.component import Strict
from pipeline.core.errors import UserError


class Job(Strict):
    """What to train, on which data, and where to write the results."""

    title: str
    """The name of the fit in its lines of progress."""
    recipe: Recipe
    task: Task
    hardware: Hardware
    execution: Execution = Execution()
    seed: Seed
    init_seed: Seed | None = None
    """The seed of the fresh weights alone; null: `seed`."""
    until_epoch: Positive | None = None
    """Stop after so many epochs of the schedule, which spans all of the recipe's; the same job with
    a later end goes on from there, bit for bit as if it had never stopped. null: run to the end."""
    fold: int = 0
    """The fold of the packed data that serves for validation."""
    folder: str
    """The folder of the checkpoints. A fit that finds some resumes from them, bit for bit as if it
    had never stopped; so a folder belongs to one recipe, seed and data set."""
    spool: str
    """The folder of the run, already open, that receives the metrics."""
    is_first: bool = True
    """Whether it prints what all fits of its run share, such as their precision."""
    network: str | None = None
    """Where to write the network of the best epoch at the end, with the metrics of all epochs."""

    @classmethod
    def load(cls, path: Path) -> "Job":
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

    def save(self, path: Path) -> None:
        """Write the file from which the processes of the fit are started."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1))
