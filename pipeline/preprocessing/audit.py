"""Audit the data for bad files, odd images, duplicates and labels that disagree."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pipeline.core.artifacts import Card
from pipeline.preprocessing.leakage import Leak
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.pairs import Pairs
from pipeline.preprocessing.places import Places
from pipeline.preprocessing.scanned import Scan
from pipeline.preprocessing.shares import differences

CONSTANT_CONTRAST = 2.0  # grey levels of 255; an image below this shows nothing
ENLARGED = 2.0  # a side stretched by more than this is mostly invented
MOST_NAMED = 20  # classes in a line
FEW_IN_VAL = 10  # samples of a class
ELONGATED = 2.0  # factor by which an aspect ratio may differ from the usual one


class Finding(NamedTuple):
    """One row of `findings.csv`."""

    kind: str
    id: str
    other: str
    """The second image of a pair."""
    detail: str


def audit(listing: Listing, scan: Scan, pairs: Pairs, places: Places | None) -> list[Finding]:
    """Return all findings, bad files first; without `places` where the data cannot be split."""
    return [
        *(Finding(bad.kind, listing.ids[row], "", str(bad)) for row, bad in scan.bad.items()),
        *(
            Finding("damaged metadata", listing.ids[row], "", damage)
            for row, damage in scan.damaged.items()
        ),
        *_odd_images(listing, scan),
        *_same_pictures(listing, pairs),
        *_crowds(listing, pairs),
        *_placed(listing, places),
        *(Finding("ignored file", name, "", "no sample") for name in listing.ignored),
    ]


def summary(listing: Listing, scan: Scan, findings: list[Finding]) -> dict[str, int]:
    """Count the samples and the findings of each kind."""
    counts = Counter(finding.kind.replace(" ", "_") for finding in findings)
    always = ("near_constant", "equal", "near_duplicate", "two_labels", "leak")
    return {
        "num_images": len(listing.ids) - len(scan.bad),
        "num_quarantined": len(scan.bad),
        **{kind: counts.pop(kind, 0) for kind in always},
        **counts,
    }


def summary_line(figures: dict[str, int]) -> str:
    """Summarise in one line: `1,797 images, 2 equal, 1 near duplicate`."""
    found = [f"{count:,} {kind.replace('_', ' ')}" for kind, count in figures.items() if count]
    return (
        ", ".join(found)
        .replace(" num images", " images")
        .replace(" num quarantined", " quarantined")
    )


def classes_line(card: Card) -> str:
    """Name the classes or labels: `2 classes: cat 178, dog 182`; empty for values."""
    if card.target_scale:
        return ""
    totals = {name: sum(part[name] for part in card.counts.values()) for name in card.classes}
    return f"{len(totals)} classes: {_first([f'{name} {num:,}' for name, num in totals.items()])}"


def few_line(card: Card) -> str:
    """Name the classes or labels with so few samples in val that they decide by chance, if any."""
    found = card.counts.get("val", {})
    few = {name: num for name, num in found.items() if num < FEW_IN_VAL}
    if card.target_scale or not few:
        return ""
    named = _first([f"{num:,} of {name}" for name, num in few.items()])
    return (
        f"val holds only {named}: ensembles, calibration and thresholds are chosen on it; "
        "data.num_folds would choose them on every training sample"
    )


def _first(named: list[str]) -> str:
    return ", ".join(named[:MOST_NAMED]) + (", …" if len(named) > MOST_NAMED else "")


def shares_lines(findings: list[Finding]) -> list[str]:
    """Say in a line each which splits differ in the shares of their classes, and where most."""
    return [
        f"{found.id} and {found.other} differ in the shares of their classes: {found.detail}"
        for found in findings
        if found.kind == "differing shares"
    ]


def write_findings(path: Path, findings: list[Finding]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(Finding._fields)
        table.writerows(findings)


def _odd_images(listing: Listing, scan: Scan) -> Iterator[Finding]:
    """Find images that are almost blank, greatly enlarged, or of an unusual aspect ratio."""
    good = scan.good
    height_px, width_px = scan.height_px[good], scan.width_px[good]
    aspect = np.log(width_px / height_px)
    is_elongated = np.abs(aspect - np.median(aspect)) > np.log(ELONGATED)
    scale = np.maximum(scan.image_shape[0] / height_px, scan.image_shape[1] / width_px)
    for place in np.flatnonzero((scale > ENLARGED) | is_elongated).tolist():
        size = f"{height_px[place]}×{width_px[place]}"
        what = "elongated" if is_elongated[place] else f"enlarged {scale[place]:.1f} times"
        yield Finding("odd size", listing.ids[good[place]], "", f"{size}, {what}")
    for row in good[scan.contrast[good] < CONSTANT_CONTRAST].tolist():
        detail = f"brightness {scan.brightness[row]:.0f}, contrast {scan.contrast[row]:.1f} of 255"
        yield Finding("near constant", listing.ids[row], "", detail)


def _same_pictures(listing: Listing, pairs: Pairs) -> Iterator[Finding]:
    for kind, found in (("equal", pairs.equal), ("near duplicate", pairs.near)):
        for first, second in found.tolist():
            labels = [label(listing, row) for row in (first, second)]
            ids = listing.ids[first], listing.ids[second]
            yield Finding(kind, *ids, " | ".join(labels))
            if labels[0] != labels[1]:
                yield Finding("two labels", *ids, f"{kind}: {' | '.join(labels)}")


def _crowds(listing: Listing, pairs: Pairs) -> Iterator[Finding]:
    for crowd in pairs.crowds:
        first, *_, last = (listing.ids[row] for row in crowd.rows)
        detail = f"{len(crowd.rows):,} images; near duplicates up to {crowd.distance:.3f}"
        yield Finding("fixed camera", first, last, detail)


def _placed(listing: Listing, places: Places | None) -> Iterator[Finding]:
    if places:
        yield from (_leak(listing, places.kept, leak) for leak in places.leaks)
        yield from _moved(listing, places)
        yield from _differing_shares(listing, places)


def _leak(listing: Listing, kept: Int[np.ndarray, " m"], leak: Leak) -> Finding:
    assert listing.given is not None  # without given splits there are none to leak between
    first, second = kept[leak.first], kept[leak.second]
    splits = f"{listing.given[first]} | {listing.given[second]}"
    return Finding("leak", listing.ids[first], listing.ids[second], f"{leak.kind}: {splits}")


def _moved(listing: Listing, places: Places) -> Iterator[Finding]:
    """Find samples of small classes that are not where chance would have put them."""
    moved = places.assignment.moved
    for row, split in zip(places.kept[moved], places.assignment.split[moved], strict=True):
        detail = f"to {split}, which had no image of {label(listing, row)}"
        yield Finding("moved", listing.ids[row], "", detail)


def _differing_shares(listing: Listing, places: Places) -> Iterator[Finding]:
    """Find pairs of splits in which the classes have different shares."""
    targets, assignment = listing.targets[places.kept], places.assignment
    for found in differences(targets, assignment.unit, assignment.split, listing.classes):
        yield Finding("differing shares", found.first, found.second, str(found))


def label(listing: Listing, row: int) -> str:
    """Return the target of one sample in readable form."""
    target = listing.targets[row]
    if listing.targets.ndim == 1:
        return listing.classes[int(target)]
    if listing.targets.dtype == bool:
        return ", ".join(np.array(listing.classes)[target]) or "none"
    return ", ".join(f"{value:g}" for value in target)
