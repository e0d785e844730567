"""Ensure that every part has every class: check that there is enough, and repair bad luck."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from pipeline.core.errors import UserError
from pipeline.preprocessing.stratify import Strata


class TooFewUnits(UserError):  # noqa: N818  # named as what is wrong
    """A class has enough images, but too few of them can be placed separately."""

    def __init__(self, stratum: int, message: str) -> None:
        super().__init__(message)
        self.stratum = stratum


def check_enough(strata: Strata, num_parts: int, where: str) -> None:
    """Raise UserError, naming the rarest, unless each class or label has a unit for each part.

    It is a TooFewUnits where duplicates or groups join enough images to fewer units.

    Args:
        strata: images by unit and class.
        where: a description of the parts, `train, val and test`.
    """
    needed = len(strata.names)
    num_units = _presence(strata.counts)[:needed]
    if num_units.min(initial=num_parts) >= num_parts:
        return
    poorest = int(num_units.argmin())
    images = strata.counts.sum(axis=0)[poorest]
    has = f"{strata.kind} {strata.names[poorest]!r} has {images} images"
    if images < num_parts:
        raise UserError(
            f"{has} for {where}; give it at least {num_parts} or leave the {strata.kind} out"
        )
    few = int(num_units[poorest])
    raise TooFewUnits(
        poorest,
        f"{has}, but only {few} {'group or set' if few == 1 else 'groups or sets'} of duplicates, "
        f"which stay together, for {where}; give it at least {num_parts}",
    )


def repair(
    parts: Int[np.ndarray, " m"], cost: Float[np.ndarray, "m p"], strata: Strata, where: str
) -> tuple[Int[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    """Give every part that lacks a class the unit that is cheapest to move.

    A unit that is the last of some class in its part stays. Return the parts, and which units
    moved.

    Raises:
        TooFewUnits: no unit is free to move.
    """
    moved = np.zeros(len(parts), bool)
    parts = parts.copy()
    needed = len(strata.names)
    held = _num_units(parts, strata.counts, cost.shape[1])
    for part, stratum in np.argwhere(held[:, :needed] == 0):
        if held[part, stratum]:  # an earlier move brought it
            continue
        free = _free_units(parts, strata, held, stratum)
        if not len(free):
            raise TooFewUnits(int(stratum), _stuck(strata, int(stratum), where))
        unit = free[np.argmin(cost[free, part])]
        held[parts[unit]] -= _presence(strata.counts[[unit]])
        held[part] += _presence(strata.counts[[unit]])
        parts[unit], moved[unit] = part, True
    return parts, moved


def _free_units(
    parts: np.ndarray, strata: Strata, held: np.ndarray, stratum: np.int64
) -> np.ndarray:
    """Return the units with this stratum that are not the last of any class in their part."""
    units = strata.counts[:, [stratum]].nonzero()[0]
    is_last = (held[parts[units]] == 1) & (strata.counts[units].toarray() > 0)
    free: np.ndarray = units[~is_last[:, : len(strata.names)].any(axis=1)]
    return free


def _num_units(parts: np.ndarray, counts: csr_array, num_parts: int) -> np.ndarray:
    return np.stack([_presence(counts[parts == part]) for part in range(num_parts)])


def _presence(counts: csr_array) -> np.ndarray:
    """Count the units that hold each stratum."""
    num_units: np.ndarray = np.bincount(counts.indices, minlength=counts.shape[1])
    return num_units


def _stuck(strata: Strata, stratum: int, where: str) -> str:
    return (
        f"{strata.kind} {strata.names[stratum]!r} cannot be present in each of {where}: its "
        f"images are grouped with the only ones of another {strata.kind}; use fewer parts or "
        f"leave the {strata.kind} out"
    )
