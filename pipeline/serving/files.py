"""Predict image files with the packaged ensemble, and write a table with one row for each file.

Files are read one after another and predicted in batches, so that their number does not matter to
memory.
"""

from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path

from pipeline.core.errors import UserError, shown
from pipeline.core.files import is_litter
from pipeline.images.bad_image import BadImage
from pipeline.preprocessing.reading.files import as_id
from pipeline.serving.ensemble import Ensemble
from pipeline.serving.layout import INSIDE
from pipeline.serving.writer import check_output, opened

BATCH_SIZE = 256


def predict_files(paths: list[str], model: Path, output: Path | None) -> tuple[int, int]:
    """Return the number of files, and how many of them are no images.

    Args:
        output: a CSV or Parquet file, written at once at the end; None to print CSV.

    Raises:
        UserError: there are no files or no model, or the output has another format or cannot be
            written.
    """
    check_output(output)
    files = listed(paths, output)
    ensemble = Ensemble.load(model / INSIDE)
    num_bad = 0
    with opened(output, ensemble.kind, ensemble.names) as writer:
        for start in range(0, len(files), BATCH_SIZE):
            batch = files[start : start + BATCH_SIZE]
            found = ensemble.table(map(_contents, batch))
            num_bad += sum(error is not None for error in found["error"])
            writer.write({"file": [as_id(str(file)) for file in batch], **found})
    return len(files), num_bad


def listed(paths: Iterable[str], output: Path | None = None) -> list[Path]:
    """Return the files that are named, each once: a folder's in sorted order, but hidden ones.

    Args:
        output: what an earlier call may have written into one of the folders is left out.

    Raises:
        UserError: a path or a pattern leads to no file.
    """
    found: dict[Path, None] = {}
    for given in paths:
        here = [
            file for file in _named(given) if not output or file.absolute() != output.absolute()
        ]
        if not here:
            what = "a folder without files" if given and Path(given).is_dir() else "no such file"
            raise UserError(
                f"{given or shown(given)}: {what}; name image files, folders or patterns"
            )
        found |= dict.fromkeys(here)
    return list(found)


def _named(given: str) -> list[Path]:
    path = Path(given)
    if not given or path.is_dir():
        return _below(path) if given else []
    if path.exists():
        return [path]
    matched = glob(given, recursive=True) if has_magic(given) else []  # noqa: PTH207
    return sorted(Path(one) for one in matched if _is_file(Path(one)))


def _below(folder: Path) -> list[Path]:
    def is_shown(path: Path) -> bool:
        parts = path.relative_to(folder).parts
        return not any(p.startswith(".") or is_litter(p) for p in parts)

    there = [path for path in folder.rglob("*") if is_shown(path)]
    for path in there:
        if path.is_symlink() and path.is_dir():
            raise UserError(
                f"{as_id(str(path))}: a link to a folder, which could form a loop; name that "
                "folder, too, or put it there itself"
            )
    return sorted(filter(_is_file, there))


def _is_file(path: Path) -> bool:
    """Return whether there is a file, or a link to one that is gone."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _contents(file: Path) -> bytes | BadImage:
    try:
        return file.read_bytes()
    except OSError as error:
        return BadImage("unreadable", error.strerror or type(error).__name__)
