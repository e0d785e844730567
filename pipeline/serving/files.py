"""Predict image files with the packaged ensemble, and write a table with one row for each file.

Files are read one after another and predicted in batches, so that their number does not matter to
memory.
"""

from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path

from pipeline.core.errors import UserError
from pipeline.core.files import is_litter
from pipeline.images.bad_image import BadImage
from pipeline.preprocessing.reading.files import as_id
from pipeline.serving.ensemble import Ensemble
from pipeline.serving.layout import INSIDE
from pipeline.serving.writer import check_name, opened

BATCH_SIZE = 256


def predict_files(paths: list[str], model: Path, output: Path | None) -> tuple[int, int]:
    """Return the number of files, and how many of them are no images.

    Args:
        output: a CSV or Parquet file, written at once at the end; None to print CSV.

    Raises:
        UserError: there are no files or no model, or the output has another format.
    """
    check_name(output)
    files = listed(paths)
    ensemble = Ensemble.load(model / INSIDE)
    num_bad = 0
    with opened(output, ensemble.kind, ensemble.names) as writer:
        for start in range(0, len(files), BATCH_SIZE):
            batch = files[start : start + BATCH_SIZE]
            found = ensemble.table(map(_contents, batch))
            num_bad += sum(error is not None for error in found["error"])
            writer.write({"file": [as_id(str(file)) for file in batch], **found})
    return len(files), num_bad


def listed(paths: Iterable[str]) -> list[Path]:
    """Return the files that are named, each once: a folder's in sorted order, but hidden ones.

    Raises:
        UserError: a path or a pattern leads to no file.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if path.exists():
            here = _below(path) if path.is_dir() else [path]
        else:
            matched = glob(given, recursive=True) if has_magic(given) else []  # noqa: PTH207
            here = sorted(Path(one) for one in matched if Path(one).is_file())
        if not here:
            raise UserError(f"{given}: no such file; name image files, folders or patterns")
        found |= dict.fromkeys(here)
    return list(found)


def _below(folder: Path) -> list[Path]:
    def is_shown(path: Path) -> bool:
        parts = path.relative_to(folder).parts
        return path.is_file() and not any(p.startswith(".") or is_litter(p) for p in parts)

    return sorted(filter(is_shown, folder.rglob("*")))


def _contents(file: Path) -> bytes | BadImage:
    try:
        return file.read_bytes()
    except OSError as error:
        return BadImage("unreadable", error.strerror or type(error).__name__)
