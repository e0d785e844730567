"""Where the memory of a device is too small: smaller parts of a batch, from the last checkpoint on.

From there and not within the step, since a step that was broken off has moved the statistics of
batch norm and perhaps the optimiser, and the other devices wait for it in vain. What has turned out
not to fit is an empty file beside the checkpoints: several devices may find it out at once.
"""

from pathlib import Path

from pipeline.errors import UserError

TOO_LARGE = "too_large_in_{}_parts"


class TooLargeError(UserError):
    """On one of several devices: all processes have to begin anew."""


def num_parts(folder: Path, asked: int, share: int) -> int:
    """Into how many parts to cut the `share` images of a batch that one device has."""
    parts = asked
    while (folder / TOO_LARGE.format(parts)).exists():
        parts = more_parts(parts, share)
    return parts


def remember(folder: Path, parts: int, share: int) -> str:
    """That so many parts are too few; returns what to tell.

    Raises:
        UserError: a part is one image already.
    """
    more = more_parts(parts, share)
    (folder / TOO_LARGE.format(parts)).touch()
    return (
        f"the device's memory does not hold {share // parts} images at once; from the last "
        f"checkpoint on in parts of {share // more}, as training.micro_batches: {more} has it from "
        "the start"
    )


def more_parts(parts: int, share: int) -> int:
    """Twice as many, or the next number that divides `share`."""
    if parts == share:
        raise UserError(
            "the device's memory does not hold a single image; take a smaller model, smaller "
            "images or precision bf16"
        )
    return next(n for n in range(min(2 * parts, share), share + 1) if share % n == 0)
