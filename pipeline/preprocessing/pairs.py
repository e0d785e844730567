"""Find images that occur twice among the samples that can be read."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from pipeline.preprocessing.duplicates import equal_pairs, near_pairs, units
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.scanned import Scan
from pipeline.preprocessing.stratify import strata

WIDEST = 0.1  # the distance of `auto`, but within a crowd
CROWD_SHARE = 0.5  # of a class in one set of near duplicates, from which the set is a crowd
CROWD_IMAGES = 10  # of such a class: fewer may well be copies
STEP = 2**-0.5  # from one distance within a crowd to the next
NARROWEST = 0.002  # about what rounding to whole grey levels changes
SET_SHARE, SET_IMAGES = 1 / 20, 4  # the largest set of near duplicates that a crowd may hold


class Crowd(NamedTuple):
    """Images that are all alike, as those of parts below a fixed camera: no copies."""

    rows: Int[np.ndarray, " c"]
    distance: float
    """Up to this distance, two of them count as near duplicates; 0 if only equal ones do."""


class Pairs(NamedTuple):
    """Rows of duplicate images; just enough pairs to connect all of them."""

    equal: Int[np.ndarray, "p 2"]
    near: Int[np.ndarray, "q 2"]
    crowds: tuple[Crowd, ...] = ()

    @property
    def message(self) -> str:
        """A message to the user about crowds; "" if there are none."""
        return "; ".join(
            f"{len(crowd.rows):,} images all look alike, as from a fixed camera: only those within "
            f"{crowd.distance:.3f} of each other count as near duplicates; if they are frames of a "
            "film, name its groups or set data.near_duplicate_distance"
            for crowd in self.crowds
        )


def same_pictures(listing: Listing, scan: Scan, distance: float | Literal["auto"] | None) -> Pairs:
    """Find equal images, and near duplicates up to `distance`; None finds equal ones only.

    `auto` is 0.1, except where that connects most of a class: what all images of a class share
    cannot show that two of them are copies. There, the distance is lowered until only small sets
    are connected.
    """
    equal = scan.good[equal_pairs(scan.digests[scan.good])]
    if distance is None:
        return Pairs(equal, np.empty((0, 2), np.int64))
    # Bad images are black here, and flat images have no near duplicates.
    if distance != "auto":
        return Pairs(equal, near_pairs(scan.thumbs, distance, equal))
    near = near_pairs(scan.thumbs, WIDEST, equal)
    crowds = []
    for rows in _crowded(listing, scan, np.concatenate([equal, near])):
        inside, lowered = within_crowd(
            scan.thumbs[rows], np.searchsorted(rows, _among(equal, rows))
        )
        near = np.concatenate([near[~np.isin(near[:, 0], rows)], rows[inside]])
        crowds.append(Crowd(rows, lowered))
    return Pairs(equal, near, tuple(crowds))


def within_crowd(
    thumbs: np.ndarray, equal: Int[np.ndarray, "e 2"]
) -> tuple[Int[np.ndarray, "q 2"], float]:
    """Return the near duplicates in a crowd, and the distance that leaves only small sets.

    Args:
        equal: pairs of equal images, of which only the first is compared.
    """
    distance, largest = WIDEST, max(SET_IMAGES, SET_SHARE * len(thumbs))
    while distance > NARROWEST:
        distance *= STEP
        near = near_pairs(thumbs, distance, equal)
        if np.bincount(units(len(thumbs), near, None)).max() <= largest:
            return near, distance
    return np.empty((0, 2), np.int64), 0.0


def _crowded(listing: Listing, scan: Scan, pairs: Int[np.ndarray, "p 2"]) -> list[np.ndarray]:
    """Return the rows of each unit that holds most of some class or label, or of all values."""
    unit = units(len(listing.ids), pairs, None)[scan.good]
    members = strata(listing.targets[scan.good], listing.classes)
    held = members.of_units(unit).counts[:, : len(members.names)].toarray()
    totals = held.sum(axis=0)
    most = held.argmax(axis=0)
    is_crowd = (held.max(axis=0) > CROWD_SHARE * totals) & (totals >= CROWD_IMAGES)
    return [scan.good[unit == crowd] for crowd in np.unique(most[is_crowd])]


def _among(pairs: Int[np.ndarray, "p 2"], rows: Int[np.ndarray, " c"]) -> np.ndarray:
    chosen: np.ndarray = pairs[np.isin(pairs[:, 0], rows)]
    return chosen
