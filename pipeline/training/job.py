"""One fit, described by a file: all that the process that runs it is told."""

from pathlib import Path
from socket import gethostname

from pipeline.component import Strict
from pipeline.errors import UserError
from pipeline.params import Hardware, Recipe, Seed, Task


class Job(Strict):
    """What to train, on which data, and where everything goes."""

    title: str
    """What the lines of progress are called."""
    recipe: Recipe
    task: Task
    hardware: Hardware
    seed: Seed
    init_seed: Seed | None = None
    """Seeds the fresh weights alone; null: `seed`."""
    fold: int = 0
    """Which fold of the packed data validates."""
    folder: str
    """Checkpoints. A fit that finds some there goes on from them, to the bits that it would have
    had; so the folder belongs to one recipe, seed and data."""
    spool: str
    """The run that receives the figures; it is open already."""
    network: str | None = None
    """Where the best epoch's network is written in the end, and the figures of all epochs."""

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
        """Write the file that the processes of the fit are started on."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1))
