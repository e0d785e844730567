"""One stored split: pixels, or encoded files that are decoded when they are read.

Both are memory maps: processes share the pages, and a worker copies only what it reads.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, UInt8

from pipeline.core.artifacts import Targets
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.images.decode import decode, fit

Rows = Int[np.ndarray, " b"] | slice


@runtime_checkable
class Images(Protocol):
    """Images of one shape, indexed by row."""

    @property
    def shape(self) -> tuple[int, ...]:
        """n, h, w, c."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Rows) -> UInt8[np.ndarray, "b h w c"]: ...


class Encoded:
    """Encoded files stored one after the other, and the offset of each.

    They are decoded and fitted exactly as for pixel storage: files stored in their original form
    give the same pixels as pixel storage.
    """

    def __init__(self, folder: Path) -> None:
        how = read_json(folder / "encoded.json")
        self._fit = how["fit"]
        height_px, width_px, channels = how["image_shape"]
        self._image_shape = (height_px, width_px, channels)
        self._starts = np.load(folder / "starts.npy", mmap_mode="r")
        self._bytes = np.memmap(folder / "encoded.bin", np.uint8, "r")
        self.shape: tuple[int, ...] = (len(self._starts) - 1, *self._image_shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> UInt8[np.ndarray, "b h w c"]:
        indices = np.arange(len(self))[rows]
        out = np.empty((len(indices), *self._image_shape), np.uint8)
        for place, row in enumerate(indices):
            encoded = self._bytes[self._starts[row] : self._starts[row + 1]].tobytes()
            out[place] = fit(decode(encoded, self._image_shape[:2]), self._image_shape, self._fit)
        return out

    @staticmethod
    def write(folder: Path, files: Iterable[bytes], image_shape: tuple[int, ...], fit: str) -> None:
        """Store encoded images; `files` is consumed one by one."""
        folder.mkdir(parents=True, exist_ok=True)
        starts = [0]
        with (folder / "encoded.bin").open("wb") as out:
            for encoded in files:
                out.write(encoded)
                starts.append(starts[-1] + len(encoded))
        np.save(folder / "starts.npy", np.array(starts, np.int64))
        write_json(folder / "encoded.json", {"fit": fit, "image_shape": list(image_shape)})


class Chosen:
    """Selected rows of other images, in a given order."""

    def __init__(self, images: Images, rows: Int[np.ndarray, " n"]) -> None:
        self._images, self._rows = images, rows
        self.shape = (len(rows), *images.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Rows) -> UInt8[np.ndarray, "b h w c"]:
        return np.asarray(self._images[self._rows[rows]])


class Joined:
    """The rows of two image stores, one after the other."""

    def __init__(self, first: Images, second: Images) -> None:
        self._first, self._second = first, second
        self.shape: tuple[int, ...] = (len(first) + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> UInt8[np.ndarray, "b h w c"]:
        indices = np.arange(len(self))[rows]
        is_second = indices >= len(self._first)
        out = np.empty((len(indices), *self.shape[1:]), np.uint8)
        out[~is_second] = self._first[indices[~is_second]]
        out[is_second] = self._second[indices[is_second] - len(self._first)]
        return out


class Packed(NamedTuple):
    """One stored split."""

    images: Images
    targets: Targets
    ids: np.ndarray
    folds: Int[np.ndarray, " n"]
    """The fold that validates on an image; −1 for one that is always trained on."""

    @classmethod
    def open(cls, folder: Path) -> "Packed":
        """Open a split; raise UserError if a part is missing or the parts differ in length."""
        is_encoded = (folder / "encoded.json").is_file()
        files = ["encoded.bin", "starts.npy"] if is_encoded else ["images.npy"]
        files += ["targets.npy", "ids.npy", "folds.npy"]
        missing = [str(folder / file) for file in files if not (folder / file).is_file()]
        if missing:
            raise UserError(f"{', '.join(missing)}: not found; run `dvc repro preprocess`")
        images = Encoded(folder) if is_encoded else np.load(folder / "images.npy", mmap_mode="r")
        targets, ids, folds = (np.load(folder / file, mmap_mode="r") for file in files[-3:])
        if len({len(images), len(targets), len(ids), len(folds)}) > 1:
            raise UserError(f"{folder}: parts of unequal length; run `dvc repro -f preprocess`")
        return cls(images, targets, ids, folds)

    def take(self, rows: Int[np.ndarray, " m"]) -> "Packed":
        """Return some of the rows, which are read on demand."""
        return Packed(
            Chosen(self.images, rows), self.targets[rows], self.ids[rows], self.folds[rows]
        )

    def join(self, other: "Packed") -> "Packed":
        """Return these rows followed by those of `other`."""
        return Packed(
            Joined(self.images, other.images),
            *(np.concatenate(pair) for pair in zip(self[1:], other[1:], strict=True)),
        )
