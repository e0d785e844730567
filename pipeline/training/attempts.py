"""What an attempt at a fit has learned for the next one, which resumes from the last checkpoint.

A step that was interrupted has changed the statistics of batch norm and perhaps the optimiser, and
other devices wait for it in vain. So nothing is repaired in place: all processes of the fit start
again, with smaller parts of a batch where the device ran out of memory, or from the end of the last
epoch with half the learning rate where the loss was not finite.
"""

from pathlib import Path

from pipeline.core.component import Strict
from pipeline.core.errors import UserError
from pipeline.core.files import write_whole
from pipeline.execution.messages import Again, Diverged
from pipeline.training.checkpoint import MIDDLE, damaged

FILE = "attempts.json"
MOST_RECOVERIES = 5


class Attempts(Strict):
    """How a fit deviates from its recipe."""

    num_parts: int | None = None
    """The number of parts of a batch computed one after the other; None: as in the recipe."""
    lr_scale: float = 1.0
    """The factor of all learning rates."""

    @classmethod
    def load(cls, folder: Path) -> "Attempts":
        """Read what earlier attempts have left in the fit's folder.

        Raises:
            UserError: the file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return cls()
        try:
            return cls.model_validate_json(path.read_text())
        except ValueError:
            raise damaged(path) from None

    def save(self, folder: Path) -> None:
        """Write it to the fit's folder for the next attempt."""
        write_whole(folder / FILE, self.model_dump_json())


def shrink(folder: Path, num_parts: int, share: int) -> Again:
    """Have the next attempt split one device's `share` images of a batch into smaller parts.

    Raises:
        UserError: a part is a single image already.
    """
    more = more_parts(num_parts, share)
    Attempts.load(folder).model_copy(update={"num_parts": more}).save(folder)
    return Again(
        f"the device runs out of memory with {share // num_parts} images at once; resuming from "
        f"the last checkpoint in parts of {share // more}; set training.micro_batches: {more} to "
        "use these from the start"
    )


def slow_down(folder: Path, diverged: str, *, may_recover: bool) -> Again:
    """Have the next attempt resume from the last epoch's end with half the learning rate.

    Args:
        diverged: a message that names the step whose loss was not finite.

    Raises:
        Diverged: the recipe does not allow it, or the rate was halved too often already.
    """
    attempts = Attempts.load(folder)
    scale = attempts.lr_scale / 2
    if not may_recover:
        raise Diverged(f"{diverged}; lower lr, or set training.on_divergence: recover")
    if scale < 0.5**MOST_RECOVERIES:
        raise Diverged(
            f"{diverged}, although the rate was halved {MOST_RECOVERIES} times; lower lr"
        )
    (folder / MIDDLE).unlink(missing_ok=True)  # first: if killed in between, nothing has changed
    attempts.model_copy(update={"lr_scale": scale}).save(folder)
    return Again(
        f"{diverged}; going back to the end of the previous epoch, with the learning rate × "
        f"{scale:g}"
    )


def more_parts(parts: int, share: int) -> int:
    """Return twice as many parts, or the next number that divides `share`."""
    if parts == share:
        raise UserError(
            "the device runs out of memory with a single image; use a smaller model, smaller "
            "images or precision bf16"
        )
    return next(n for n in range(min(2 * parts, share), share + 1) if share % n == 0)
