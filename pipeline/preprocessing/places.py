"""Decide the place of each usable sample: the leakage gate, then the split."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from pipeline.core.errors import UserError
from pipeline.preprocessing.duplicates import units
from pipeline.preprocessing.leakage import Leak, gate, leaks
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.pairs import Pairs
from pipeline.preprocessing.presence import TooFewUnits
from pipeline.preprocessing.split import Assignment, assign
from pipeline.preprocessing.stratify import strata

SHOWN = 3  # pairs that a message names


@dataclass(frozen=True)
class Places:
    """The split and fold of every usable sample."""

    kept: Int[np.ndarray, " m"]
    """The rows of the source that are used; all fields below refer to these."""
    assignment: Assignment
    leaks: list[Leak]
    message: str
    """A message to the user about leaks; "" if there are none."""


def place(
    listing: Listing,
    kept: Int[np.ndarray, " m"],
    pairs: Pairs,
    *,
    leakage: Literal["fail", "warn", "regroup"],
    val_fraction: float | None,
    test_fraction: float | None,
    num_folds: int | None,
    balance: Literal["stable", "exact"],
    seed: int,
) -> Places:
    """Keep duplicates and groups together, and divide the rest as requested.

    Raises:
        UserError: the source's own splits leak and `leakage` is fail, or a class is too small.
    """
    ids = [listing.ids[row] for row in kept]
    groups = [listing.groups[row] for row in kept] if listing.groups else None
    equal, near = (np.searchsorted(kept, found) for found in (pairs.equal, pairs.near))
    together = units(len(kept), np.concatenate([equal, near]), groups)
    given, found, message = listing.given, [], ""
    if given is not None:
        found = leaks(given[kept], equal, near, groups)
        given, message = gate(given[kept], found, together, ids, leakage)
    try:
        assignment = assign(
            listing.targets[kept],
            ids,
            together,
            groups=groups,
            classes=listing.classes,
            given=given,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            num_folds=num_folds,
            balance=balance,
            seed=seed,
        )
    except TooFewUnits as error:
        raise UserError(f"{error}{_remedy(listing, pairs, error.stratum)}") from None
    return Places(kept, assignment, found, message)


def _remedy(listing: Listing, pairs: Pairs, stratum: int) -> str:
    """Name the parameter and some near duplicates of a class; "" if it has none."""
    column = strata(listing.targets, listing.classes).counts[:, [stratum]].toarray().ravel()
    found = pairs.near[(column[pairs.near] > 0).all(axis=1)]
    if not len(found):
        return ""
    named = ", ".join(f"{listing.ids[a]} and {listing.ids[b]}" for a, b in found[:SHOWN])
    return (
        f", or, where near duplicates such as {named} are not the same picture, set "
        "data.near_duplicate_distance to a smaller number, or to null"
    )
