"""The leakage gate: no duplicate and no group may span two of the source's own splits.

The splits that Convoy makes cannot leak, since it never divides a unit.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from pipeline.core.errors import UserError

LeakKind = Literal["equal", "near", "group"]
SHOWN = 10  # pairs that a message names; all are counted
REMEDY = (
    "remove one of each pair, or set data.leakage to regroup or warn; "
    "data.near_duplicate_distance sets what counts as near"
)


@dataclass(frozen=True)
class Leak:
    """Two samples that belong together but are in two splits."""

    kind: LeakKind
    first: int
    second: int


def leaks(
    given: np.ndarray,
    equal: Int[np.ndarray, "e 2"],
    near: Int[np.ndarray, "p 2"],
    groups: list[str] | None,
) -> list[Leak]:
    """Return pairs that span two splits: at least one for every unit that is in several.

    Args:
        given: the source's own split of each sample.
        equal, near: pairs that connect the duplicates, from `duplicates`.
        groups: the group of each sample; "" means none.
    """
    found = _torn_pairs("equal", given, equal) + _torn_pairs("near", given, near)
    return found + _torn_groups(given, groups or [])


def gate(
    given: np.ndarray,
    found: list[Leak],
    units: Int[np.ndarray, " n"],
    ids: list[str],
    rule: Literal["fail", "warn", "regroup"],
) -> tuple[np.ndarray, str]:
    """Return the splits to use, and a message for the user; "" if nothing leaks.

    `warn` leaves the splits as they are. `regroup` moves every unit that spans several splits as a
    whole: to test if it has a sample there, otherwise to val. A test image therefore never leaves
    test.

    Raises:
        UserError: something leaks and the rule is `fail`; names the first ten pairs.
    """
    if not found:
        return given, ""
    message = _message(given, found, ids)
    if rule == "fail":
        raise UserError(f"data.leakage: {message}; {REMEDY}")
    if rule == "warn":
        return given, f"{message}; left as they are"
    moved = _regrouped(given, units)
    return moved, f"{message}; regrouped, {(moved != given).sum()} images moved"


def _torn_pairs(kind: LeakKind, given: np.ndarray, pairs: np.ndarray) -> list[Leak]:
    torn = pairs[given[pairs[:, 0]] != given[pairs[:, 1]]]
    return [Leak(kind, first, second) for first, second in torn.tolist()]


def _torn_groups(given: np.ndarray, groups: list[str]) -> list[Leak]:
    """Pair the first sample of a torn group with the first one in each other split."""
    firsts: dict[str, dict[str, int]] = {}
    for i, name in enumerate(groups):
        if name:
            firsts.setdefault(name, {}).setdefault(given[i], i)
    return [
        Leak("group", first, other)
        for first, *others in (list(by_split.values()) for by_split in firsts.values())
        for other in others
    ]


def _regrouped(given: np.ndarray, units: np.ndarray) -> np.ndarray:
    moved = given.copy()
    for split in ("val", "test"):
        moved[np.isin(units, units[given == split])] = split
    return moved


def _message(given: np.ndarray, found: list[Leak], ids: list[str]) -> str:
    pairs = ", ".join(
        f"{ids[leak.first]} ({given[leak.first]}) and {ids[leak.second]} ({given[leak.second]}): "
        f"{leak.kind}"
        for leak in found[:SHOWN]
    )
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{len(found)} pairs of images span two of the source's splits: {pairs}{more}"
