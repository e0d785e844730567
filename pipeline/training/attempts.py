"""What attempts at a fit have found out, for the next one, which goes on from the last checkpoint.

A step that was broken off has moved the statistics of batch norm and perhaps the optimiser, and
other devices wait for it in vain. So nothing is mended in place: all processes of the fit begin
anew, with smaller parts of a batch where the device's memory was too small, or from the last
epoch's end with half the learning rate where the loss was not finite.
"""

from pathlib import Path

from pipeline.artifacts import write_whole
from pipeline.component import Strict
from pipeline.errors import UserError
from pipeline.training.checkpoint import MIDDLE, damaged

FILE = "attempts.json"
MOST_RECOVERIES = 5


class Again(Exception):  # noqa: N818  # no error: the fit goes on
    """The fit has to be started again, for the reason that it says."""


class Attempts(Strict):
    """What a fit does otherwise than its recipe says."""

    num_parts: int | None = None
    """Parts of a batch that are computed one after the other; None: as the recipe says."""
    lr_scale: float = 1.0
    """What all learning rates are multiplied by."""

    @classmethod
    def load(cls, folder: Path) -> "Attempts":
        """Read what the attempts before have left in the fit's folder.

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
        """Leave it in the fit's folder for the next attempt."""
        write_whole(folder / FILE, self.model_dump_json())


def shrink(folder: Path, num_parts: int, share: int) -> Again:
    """Have the next attempt compute smaller parts of the `share` images of one device.

    Raises:
        UserError: a part is one image already.
    """
    more = more_parts(num_parts, share)
    Attempts.load(folder).model_copy(update={"num_parts": more}).save(folder)
    return Again(
        f"the device's memory does not hold {share // num_parts} images at once; from the last "
        f"checkpoint on in parts of {share // more}, as training.micro_batches: {more} has it from "
        "the start"
    )


def slow_down(folder: Path, diverged: str, *, may_recover: bool) -> Again:
    """Have the next attempt go back to the last epoch's end and on at half the rate.

    Args:
        diverged: in which step the loss was not finite.

    Raises:
        UserError: the recipe does not allow it, or the rate was halved often enough.
    """
    attempts = Attempts.load(folder)
    scale = attempts.lr_scale / 2
    if not may_recover:
        raise UserError(f"{diverged}; lower lr, or set training.on_divergence: recover")
    if scale < 0.5**MOST_RECOVERIES:
        raise UserError(f"{diverged}, with the rate halved {MOST_RECOVERIES} times; lower lr")
    (folder / MIDDLE).unlink(missing_ok=True)  # first: a kill in between changes nothing then
    attempts.model_copy(update={"lr_scale": scale}).save(folder)
    return Again(f"{diverged}; back to the end of the epoch before, learning rate × {scale:g}")


def more_parts(parts: int, share: int) -> int:
    """Return twice as many parts, or the next number that divides `share`."""
    if parts == share:
        raise UserError(
            "the device's memory does not hold a single image; take a smaller model, smaller "
            "images or precision bf16"
        )
    return next(n for n in range(min(2 * parts, share), share + 1) if share % n == 0)
