"""Assign units to parts (splits or folds) by a hash of the seed and the unit's name.

`stable`: the hash is a number in [0, 1) and each part is a range of it. New images move no others,
and the shares are met in expectation. There are exceptions: a new image that connects two units
brings them to one part; one that sorts first in its unit renames the unit, and so moves it; and a
class that a part would lack brings it the unit whose hash is nearest to the part's range (`moved`);
once the class has grown, that unit may stay in its own part.

`exact`: iterative stratification: each class, label or tenth of the values has its share in each
part to within one image, as far as units allow. New images move others.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from pipeline.preprocessing.presence import check_enough, repair
from pipeline.preprocessing.stratify import Strata, stratify


@dataclass(frozen=True)
class Draw:
    """Everything that decides a sample's part, except for the parts themselves."""

    strata: Strata
    """Strata of the samples."""
    units: Int[np.ndarray, " n"]
    names: list[str]
    """Name of each unit."""
    balance: Literal["stable", "exact"]
    seed: int

    def place(
        self,
        rows: Int[np.ndarray, " r"],
        shares: Float[np.ndarray, " p"],
        purpose: Literal["split", "fold"],
        where: str,
    ) -> tuple[Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Return the part of each of these rows, −1 elsewhere, and which rows the repair moved.

        Args:
            shares: the share of each part; they add up to 1.
            purpose: draws for different purposes are independent.
            where: a description of the parts, for messages.

        Raises:
            UserError: a class or label has too few images or units for so many parts.
        """
        present, unit = np.unique(self.units[rows], return_inverse=True)
        strata = self.strata.of_rows(rows).of_units(unit)
        check_enough(strata, len(shares), where)
        rolls = np.array([uniform(self.seed, purpose, self.names[i]) for i in present])
        is_exact = self.balance == "exact"
        drawn = _exact(strata.counts, rolls, shares) if is_exact else _stable(rolls, shares)
        parts, moved = repair(*drawn, strata, where)
        all_parts, all_moved = np.full(len(self.units), -1), np.zeros(len(self.units), bool)
        all_parts[rows], all_moved[rows] = parts[unit], moved[unit]
        return all_parts, all_moved


def unit_names(ids: list[str], units: Int[np.ndarray, " n"], groups: list[str] | None) -> list[str]:
    """Return the name of each unit: the first of its groups, or of its ids if it has no group.

    Groups come before ids, since a group outlives the images that are added to it.
    """
    names: dict[int, str] = {}
    for unit, sample, group in zip(units.tolist(), ids, groups or [""] * len(ids), strict=True):
        name = f"group:{group}" if group else f"image:{sample}"
        names[unit] = min(name, names.get(unit, name))  # "g" sorts before "i"
    return [names[unit] for unit in range(len(names))]


def uniform(seed: int, purpose: str, name: str) -> float:
    """Return a number in [0, 1) that is the same on every machine."""
    digest = blake2b(f"{seed}:{purpose}:{name}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _stable(rolls: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the part whose range holds each unit's roll, and the distances to the other ranges."""
    ends = np.cumsum(shares)
    parts = np.searchsorted(ends[:-1], rolls, side="right")
    above = rolls[:, None] - ends
    return parts, np.maximum(above, -above - shares)


def _exact(
    counts: csr_array, rolls: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Stratify iteratively; a small unit is the cheapest to move."""
    sizes = counts.sum(axis=1) + rolls
    return stratify(counts, rolls, shares), np.repeat(sizes[:, None], len(shares), axis=1)
