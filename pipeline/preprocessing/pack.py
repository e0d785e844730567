"""Write the files that later stages read, from scanned samples and their places."""

import csv
from collections.abc import Iterator
from hashlib import sha256
from itertools import compress
from pathlib import Path

import numpy as np
from jaxtyping import Int

from pipeline.core.artifacts import Card, Scale
from pipeline.core.errors import UserError
from pipeline.images.packed import Encoded
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.scan import ReadingPlan
from pipeline.preprocessing.scanned import Scan
from pipeline.preprocessing.split import SPLITS, Assignment

STORES = ("trainval", "test")


def pack(
    plan: ReadingPlan,
    scan: Scan,
    kept: Int[np.ndarray, " m"],
    assignment: Assignment,
    folder: Path,
) -> Card:
    """Write `folder/trainval` and `folder/test` and return the card that describes them.

    Args:
        kept: the rows of the source that are used; `assignment` refers to these.

    Raises:
        UserError: a value is the same in all images of train.
    """
    is_test, train = assignment.split == "test", kept[assignment.split == "train"]
    target_scale = _target_scale(plan.listing, train)
    digest = sha256()
    for store, mask in zip(STORES, (~is_test, is_test), strict=True):
        rows, folds = kept[mask], assignment.fold[mask]
        units = list(compress(assignment.unit, mask))
        _write_images(plan, scan, rows, folder / store)
        targets, ids = plan.listing.targets[rows], np.array(plan.listing.ids)[rows]
        for name, array in (("targets", targets), ("ids", ids), ("folds", folds)):
            np.save(folder / store / f"{name}.npy", array)
            digest.update(array.tobytes())
        digest.update(scan.digests[rows].tobytes())
        _write_table(plan.listing, scan, rows, folds, units, folder / store / "samples.csv")
    mean, std = scan.statistics(train)
    return Card(
        classes=tuple(plan.listing.classes),
        image_shape=plan.image_shape,
        fit=plan.fit,
        num_folds=int(assignment.fold.max()) + 1,
        counts={
            name: counts(plan.listing, kept[assignment.split == name])
            for name in SPLITS
            if name in assignment.split  # with folds there is no val
        },
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        fingerprint=digest.hexdigest(),
        target_scale=target_scale,
    )


def counts(listing: Listing, rows: Int[np.ndarray, " m"]) -> dict[str, int]:
    """Count the images of each class, or with each label; for values, count all images."""
    targets = listing.targets[rows]
    if targets.dtype.kind == "f":
        return {"images": len(targets)}
    num = len(listing.classes)
    found = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=num)
    return dict(zip(listing.classes, found.tolist(), strict=True))


def _target_scale(listing: Listing, rows: Int[np.ndarray, " m"]) -> Scale:
    """Return the mean and std of the targets of these rows; empty where they are no values."""
    targets = listing.targets[rows]
    if targets.dtype.kind != "f":
        return ()
    for name, column in zip(listing.classes, targets.T, strict=True):
        if np.ptp(column) == 0:
            raise UserError(
                f"data.source.target: {name} is {column[0]:g} in all {len(column):,} training "
                "images, so there is nothing to learn; leave it out"
            )
    return tuple(targets.mean(axis=0).tolist()), tuple(targets.std(axis=0).tolist())


def _write_images(plan: ReadingPlan, scan: Scan, rows: Int[np.ndarray, " m"], folder: Path) -> None:
    folder.mkdir(parents=True)
    if plan.storage != "pixels":
        Encoded.write(folder, _files(plan, scan, rows), plan.image_shape, plan.fit)
        return
    # Rows and chunks share the source's order: written front to back, one chunk in memory.
    shape = (len(rows), *plan.image_shape)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
    written = 0
    for block, pixels in scan.blocks():
        part = pixels[np.isin(block, rows, assume_unique=True)]
        images[written : written + len(part)] = part
        written += len(part)
    images.flush()


def _files(plan: ReadingPlan, scan: Scan, rows: Int[np.ndarray, " m"]) -> Iterator[bytes]:
    if plan.storage == "jpegs":
        is_wanted = np.isin(np.arange(len(plan.listing.ids)), rows)
        yield from compress(scan.files(), is_wanted)
        return
    for row in rows.tolist():
        encoded = plan.listing.read(row)
        assert isinstance(encoded, bytes)  # only encoded files are stored encoded
        yield encoded


def _write_table(
    listing: Listing,
    scan: Scan,
    rows: Int[np.ndarray, " m"],
    folds: Int[np.ndarray, " m"],
    units: list[str],
    path: Path,
) -> None:
    """Write what is known of each sample, to slice results by."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        names = ("id", "fold", "group", "unit", "height_px", "width_px", "brightness", "contrast")
        table.writerow([*names, *listing.metadata])
        for row, fold, unit in zip(rows.tolist(), folds.tolist(), units, strict=True):
            table.writerow(
                [
                    listing.ids[row],
                    fold,
                    listing.groups[row] if listing.groups else "",
                    unit,
                    scan.height_px[row],
                    scan.width_px[row],
                    f"{scan.brightness[row]:.2f}",
                    f"{scan.contrast[row]:.2f}",
                    *(column[row] for column in listing.metadata.values()),
                ]
            )
