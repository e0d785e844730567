"""The MNIST file format: four files, plain or gzipped, with a test split of their own.

`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
`t10k-labels-idx1-ubyte`, optionally with `.gz`. Format: http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.component import Component
from pipeline.core.errors import UserError
from pipeline.core.kind import Kind
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.reading.classes import at_least_two, only_classes
from pipeline.preprocessing.reading.columns import ClassNames
from pipeline.preprocessing.reading.files import existing
from pipeline.preprocessing.reading.stacks import Stacks

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

UBYTE = 0x08  # the only element type of the MNIST family


class Params(Component):
    """`classes` names the labels 0, 1, 2, …; null uses the numbers themselves."""

    classes: ClassNames | None = None


def load(params: Params, folder: Path, kind: Kind) -> Listing:
    """List both splits of the folder. Plain files are mapped, gzipped ones are held in memory.

    Raises:
        UserError: a file is missing, cut short or of another format, or its labels do not fit.
    """
    import numpy as np

    only_classes(params.name, kind)
    existing(folder)
    parts = [_read_split(folder, prefix) for prefix in ("train", "t10k")]
    targets = np.concatenate([labels for _, labels in parts]).astype(np.int64)
    sizes = [len(labels) for _, labels in parts]
    names = list(zip(("train", "test"), sizes, strict=True))
    return Listing(
        ids=[f"{name}/{i:05d}" for name, size in names for i in range(size)],
        targets=targets,
        classes=at_least_two(_classes(params, targets, folder), str(folder)),
        read=Stacks([images for images, _ in parts]),
        given=np.repeat(["train", "test"], sizes),
    )


def _classes(params: Params, targets: np.ndarray, folder: Path) -> list[str]:
    num_labels = int(targets.max()) + 1
    if params.classes is None:
        return [str(label) for label in range(num_labels)]
    if len(params.classes) < num_labels:
        raise UserError(
            f"{folder}: contains labels up to {num_labels - 1}, but data.source.classes names "
            f"{len(params.classes)}; name all {num_labels}"
        )
    return list(params.classes)


def _read_split(folder: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    images = _read(_find(folder, f"{prefix}-images-idx3-ubyte"), num_dims=3)
    labels = _read(_find(folder, f"{prefix}-labels-idx1-ubyte"), num_dims=1)
    if len(images) != len(labels):
        raise UserError(
            f"{folder}: {prefix} has {len(images)} images and {len(labels)} labels; get both "
            "files from the same release"
        )
    return images, labels


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    held = ", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "nothing"
    raise UserError(
        f"{folder / name}[.gz]: not found; the folder contains {held}; put the four idx files "
        "there or correct data.path"
    )


def _read(path: Path, num_dims: int) -> UInt8[np.ndarray, "*shape"]:
    raw = _bytes(path)
    offset = 4 + 4 * num_dims
    if len(raw) < offset:
        raise UserError(f"{path}: truncated after {len(raw)} bytes; download the file again")
    magic = bytes(raw[:4])
    if magic != bytes([0, 0, UBYTE, num_dims]):
        raise UserError(
            f"{path}: starts with {magic.hex()}, but an idx{num_dims} file of bytes starts with "
            f"{bytes([0, 0, UBYTE, num_dims]).hex()}; use a file in that format"
        )
    shape = tuple(raw[4:offset].view(">u4").tolist())
    expected = offset + math.prod(shape)
    if len(raw) != expected:
        what = "too short" if len(raw) < expected else "too long"
        raise UserError(
            f"{path}: {what}: {len(raw):,} bytes, but its header promises {expected:,} "
            f"({' × '.join(map(str, shape))}); download the file again"
        )
    if not shape[0]:
        raise UserError(f"{path}: contains no items; download the file again")
    return raw[offset:].reshape(shape)


def _bytes(path: Path) -> UInt8[np.ndarray, " n"]:
    import numpy as np

    if path.suffix != ".gz" and path.stat().st_size:  # an empty file cannot be mapped
        return np.memmap(path, np.uint8, mode="r")
    try:
        return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip file ({error}); download the file again") from None
