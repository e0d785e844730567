"""Augmented copies of train that are made once and stored, each linked to its original.

A copy has its original's target and fold, so it can cross no split and no fold, and the id
`origin#1`, `origin#2`, ….
"""

from pathlib import Path

import numpy as np
from jaxtyping import Int

from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.policy import Augmenter
from pipeline.augmentation.probe import size
from pipeline.core.artifacts import Targets
from pipeline.core.errors import UserError
from pipeline.images.packed import Packed

EPOCH = -1  # training counts from 0, so no copy repeats the draw of an epoch
BLOCK_BYTES = 2**24  # memory does not grow with the number of copies


def num_copies(targets: Targets, copies: int, minority_only: bool) -> Int[np.ndarray, " n"]:
    """Return the number of copies of each sample, at most `copies`.

    With `minority_only`, make only as many as bring each class up to the largest, spread evenly
    over the class: two samples of a class differ by one at most.

    Raises:
        UserError: `minority_only` is set but targets are not one class per image.
    """
    if not minority_only:
        return np.full(len(targets), copies)
    if targets.ndim > 1:
        raise UserError(
            "augmentation.offline.minority_only: got true; allowed only where each image has one "
            "class; set it to false"
        )
    _, classes, counts = np.unique(targets, return_inverse=True, return_counts=True)
    wanted = np.minimum(counts.max(initial=0) - counts, copies * counts)
    place = _place_in_class(classes)
    counts, wanted = counts[classes], wanted[classes]
    num: np.ndarray = (place + 1) * wanted // counts - place * wanted // counts
    return num


def materialise(
    train: Packed, augmenter: Augmenter, num: Int[np.ndarray, " n"], folder: Path
) -> None:
    """Write `num[i]` copies of each sample i into `folder`, in the format of `Packed.open`.

    In addition to a split's usual files, `origins.npy` holds the id behind each copy.

    Raises:
        UserError: the policy changes the size of images, or a copy's id is taken.
    """
    shape = train.images.shape[1:]
    if num.any() and augmenter.output_shape != shape:
        raise UserError(
            f"augmentation.offline: the policy turns images of {size(shape)} into "
            f"{size(augmenter.output_shape)}; allowed only where it keeps the size; remove "
            "offline, or the crop"
        )
    rows = np.repeat(np.arange(len(num)), num)
    copies = np.arange(len(rows)) - np.repeat(np.cumsum(num) - num, num) + 1
    origins = train.ids[rows]
    folder.mkdir(parents=True, exist_ok=True)
    _write_images(folder / "images.npy", train, augmenter, rows, copies)
    np.save(folder / "targets.npy", train.targets[rows])
    np.save(folder / "ids.npy", _ids(train.ids, origins, copies))
    np.save(folder / "folds.npy", train.folds[rows])
    np.save(folder / "origins.npy", origins)


def _place_in_class(classes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Count the samples of the same class that precede each sample."""
    order = np.argsort(classes, kind="stable")
    counts = np.bincount(classes)
    place = np.empty_like(classes)
    place[order] = np.arange(len(classes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place


def _write_images(
    path: Path, train: Packed, augmenter: Augmenter, rows: np.ndarray, copies: np.ndarray
) -> None:
    shape = train.images.shape[1:]
    step = max(1, BLOCK_BYTES // int(np.prod(shape)))
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), *shape)}
    with path.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            keys = sample_keys(train.ids[block])
            images = augmenter(train.images[block], EPOCH, keys, copies[start : start + step])
            images.tofile(out)


def _ids(taken: np.ndarray, origins: np.ndarray, copies: np.ndarray) -> np.ndarray:
    ids = np.array([f"{origin}#{copy}" for origin, copy in zip(origins, copies, strict=True)], str)
    clash = np.intersect1d(ids, taken)
    if len(clash):
        raise UserError(
            f"sample {clash[0]}: an augmented copy would have the same id; rename the sample"
        )
    return ids
