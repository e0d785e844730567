"""The MNIST file format: four files, plain or gzipped, with a test split of their own.

`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
`t10k-labels-idx1-ubyte`, each perhaps with `.gz`. Format: http://yann.lecun.com/exdb/mnist.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.component import Component
from pipeline.errors import UserError
from pipeline.preprocessing.labelled import Labelled

UBYTE = 0x08  # the only element type of the MNIST family


class Params(Component):
    """`classes` names the labels 0, 1, 2, …; null names them by their number."""

    classes: tuple[str, ...] | None = None


def load(params: Params, folder: Path) -> Labelled:
    """Both splits of the folder.

    Raises:
        UserError: a file is missing, cut short, of another format, or its labels do not fit.
    """
    parts = [_read_split(folder, prefix) for prefix in ("train", "t10k")]
    images = np.concatenate([images for images, _ in parts])[..., None]
    targets = np.concatenate([labels for _, labels in parts]).astype(np.int64)
    sizes = [len(labels) for _, labels in parts]
    names = zip(("train", "test"), sizes, strict=True)
    ids = [f"{name}/{i:05d}" for name, size in names for i in range(size)]
    in_test = np.repeat([False, True], sizes)
    return Labelled(images, targets, ids, _classes(params, targets, folder), in_test)


def _classes(params: Params, targets: np.ndarray, folder: Path) -> list[str]:
    num_labels = int(targets.max()) + 1
    if params.classes is None:
        return [str(label) for label in range(num_labels)]
    if len(params.classes) < num_labels:
        raise UserError(
            f"{folder}: holds labels up to {num_labels - 1}, data.source.classes names "
            f"{len(params.classes)}; name all {num_labels}"
        )
    return list(params.classes)


def _read_split(folder: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    images = _read(_find(folder, f"{prefix}-images-idx3-ubyte"), num_dims=3)
    labels = _read(_find(folder, f"{prefix}-labels-idx1-ubyte"), num_dims=1)
    if len(images) != len(labels):
        raise UserError(
            f"{folder}: {prefix} holds {len(images)} images and {len(labels)} labels; "
            "get both files from the same release"
        )
    return images, labels


def _find(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise UserError(f"data.path: got {folder}, which is not a folder; name one that exists")
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    held = ", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "nothing"
    raise UserError(
        f"{folder / name}[.gz]: not found, the folder holds {held}; "
        "put the four idx files there or correct data.path"
    )


def _read(path: Path, num_dims: int) -> UInt8[np.ndarray, "..."]:
    raw = _bytes(path)
    header = 4 + 4 * num_dims
    if len(raw) < header:
        raise UserError(f"{path}: cut short, {len(raw)} bytes; fetch the file again")
    if raw[:4] != bytes([0, 0, UBYTE, num_dims]):
        raise UserError(
            f"{path}: starts with {raw[:4].hex()}, an idx{num_dims} file of bytes with "
            f"{bytes([0, 0, UBYTE, num_dims]).hex()}; name a file of that format"
        )
    shape = tuple(np.frombuffer(raw, ">u4", num_dims, offset=4).tolist())
    expected = header + int(np.prod(shape, dtype=np.int64))
    if len(raw) != expected:
        what = "cut short" if len(raw) < expected else "too long"
        raise UserError(
            f"{path}: {what}, {len(raw):,} bytes of the {expected:,} its header promises "
            f"({' × '.join(map(str, shape))}); fetch the file again"
        )
    if not shape[0]:
        raise UserError(f"{path}: holds no items; fetch the file again")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip file ({error}); fetch the file again") from None
