"""By how much two files differ, where they hold numbers."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pipeline.core.environment import PREFIX
from pipeline.core.run_log import ADOPTED, RUN_FILE

DIFFERENT = float("inf")
"""More than numbers differ."""
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")


def difference(old: Path, new: Path, name: str) -> float:
    """Return the largest relative difference of two numbers; 0 for equal files, or DIFFERENT.

    Numbers of one array differ relative to its largest one, others relative to the larger of both.

    Args:
        name: the file's name; its ending tells the format.
    """
    if old.read_bytes() == new.read_bytes():
        return 0.0
    read = ARRAYS.get(Path(name).suffix)
    if read:
        return _of_arrays(dict(read(old)), dict(read(new)))
    try:
        texts = [_text(path, name) for path in (old, new)]
    except UnicodeDecodeError:
        return DIFFERENT
    return _of_texts(*texts)


def _text(path: Path, name: str) -> str:
    """Return a text; of a run, without its identity and environment, which are no results."""
    text = path.read_text(encoding="utf-8")
    if Path(name).name != RUN_FILE:
        return text
    run = json.loads(text)
    tags = {k: v for k, v in run.get("tags", {}).items() if not k.startswith((PREFIX, ADOPTED))}
    return json.dumps({**run, "fingerprint": "", "tags": tags})


def _of_texts(old: str, new: str) -> float:
    if NUMBER.split(old) != NUMBER.split(new):
        return DIFFERENT
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return max((_relative(float(a), float(b)) for a, b in pairs if a != b), default=0.0)


def _relative(one: float, other: float) -> float:
    size = max(abs(one), abs(other))
    return abs(one - other) / size if size else 0.0


def _of_arrays(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> float:
    if old.keys() != new.keys():
        return DIFFERENT
    return max((_of_array(array, new[key]) for key, array in old.items()), default=0.0)


def _of_array(old: np.ndarray, new: np.ndarray) -> float:
    if old.shape != new.shape or old.dtype != new.dtype:
        return DIFFERENT
    if np.array_equal(old, new, equal_nan=old.dtype.kind == "f"):
        return 0.0
    if old.dtype.kind not in "fiu":
        return DIFFERENT
    a, b = old.astype(np.float64), new.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return DIFFERENT
    known = np.isfinite(a)
    if not np.array_equal(a[~known], b[~known], equal_nan=True):
        return DIFFERENT
    a, b = a[known], b[known]
    return float(np.abs(a - b).max() / max(np.abs(a).max(), np.abs(b).max()))


def _npz(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    with np.load(path) as file:
        yield from file.items()


def _npy(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    yield "", np.load(path)


def _safetensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    from safetensors.torch import load_file  # of all kinds of numbers, bf16 among them

    for name, tensor in load_file(path).items():
        is_float = tensor.is_floating_point()
        yield name, (tensor.float() if is_float else tensor).numpy()


ARRAYS: dict[str, Callable[[Path], Iterator[tuple[str, np.ndarray]]]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
}
