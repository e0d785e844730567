"""Assign each image to train, val or test, and to a fold."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from pipeline.core.errors import UserError
from pipeline.preprocessing.draw import Draw, unit_names
from pipeline.preprocessing.presence import check_enough
from pipeline.preprocessing.stratify import strata

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Assignment:
    """The place of each sample."""

    split: np.ndarray
    """`train`, `val` or `test`; with folds, everything that is not test is `train`."""
    fold: Int[np.ndarray, " n"]
    """The fold that validates on a sample: 0 for val, 0 to k − 1 with k folds, else −1."""
    unit: list[str]
    """The name of each sample's unit, which is never divided."""
    moved: Bool[np.ndarray, " n"]
    """Samples that were moved from where their hash or stratification put them, because a split or
    fold lacked one of their classes."""


def assign(
    targets: np.ndarray,
    ids: list[str],
    units: Int[np.ndarray, " n"],
    *,
    groups: list[str] | None = None,
    classes: list[str],
    given: np.ndarray | None,
    val_fraction: float | None,
    test_fraction: float | None,
    num_folds: int | None,
    balance: Literal["stable", "exact"],
    seed: int,
) -> Assignment:
    """Place every sample. Units are never divided, and the source's order does not matter.

    Every class or label gets an image in each split and fold. `draw` explains the method, and the
    meaning of `balance`.

    Args:
        targets: int64, n: classes; bool, n k: labels; float64, n t: values.
        units: the unit of each sample, from `duplicates.units`.
        groups: the group of each sample; "" means none.
        classes: the names of the classes, labels or values.
        given: the source's own splits; its val and test are kept as they are.
        val_fraction: the share of everything that the source has not put in val or test; None if it
            has its own val, and with `num_folds`.
        test_fraction: likewise; None if the source has its own test.

    Raises:
        UserError: the fractions contradict the source or each other, or a class has too few images
            or units.
    """
    split = np.full(len(ids), "train") if given is None else given.copy()
    brought = set(split.tolist()) - {"train"}
    check_fractions(brought, val_fraction, test_fraction, num_folds)
    draw = Draw(strata(targets, classes), units, unit_names(ids, units, groups), balance, seed)
    for name in sorted(brought):
        check_enough(draw.strata.of_rows(split == name), 1, name)

    fractions = {"test": test_fraction, "val": val_fraction}
    shares = {name: fraction for name, fraction in fractions.items() if fraction is not None}
    shares["train"] = 1.0 - sum(shares.values())
    pool = np.flatnonzero(split == "train")
    parts, moved = draw.place(pool, np.array([*shares.values()]), "split", _listed(shares))
    split[pool] = np.array([*shares])[parts[pool]]

    fold = np.where(split == "val", 0, -1)
    if num_folds:
        pool = np.flatnonzero(split == "train")
        equal = np.full(num_folds, 1 / num_folds)
        fold, moved_to_fold = draw.place(pool, equal, "fold", f"{num_folds} folds")
        moved |= moved_to_fold
    return Assignment(split, fold, [draw.names[unit] for unit in units], moved)


def check_fractions(
    brought: set[str], val: float | None, test: float | None, num_folds: int | None
) -> None:
    """Raise UserError where the fractions contradict each other, or the splits that are brought."""
    if num_folds and "val" in brought:
        raise UserError(
            f"data.num_folds: got {num_folds}, but the source has its own val split; set it to null"
        )
    val_reason = f"data.num_folds is {num_folds}" if num_folds else _brings("val", brought)
    _check_fraction("val", val, val_reason, "val" not in brought and not num_folds)
    _check_fraction("test", test, _brings("test", brought), "test" not in brought)
    if (val or 0) + (test or 0) >= 1:
        raise UserError(
            f"data.val_fraction, data.test_fraction: got {val} and {test}; allowed a sum below "
            "1, so that some images are left for train"
        )


def _brings(name: str, brought: set[str]) -> str:
    return f"the source has {'its own' if name in brought else 'no'} {name} split"


def _check_fraction(name: str, given: float | None, reason: str, is_wanted: bool) -> None:
    if is_wanted != (given is not None):
        remedy = "a fraction such as 0.2" if is_wanted else "null"
        value = "null" if given is None else given
        raise UserError(f"data.{name}_fraction: got {value}, but {reason}; set it to {remedy}")


def _listed(names: Iterable[str]) -> str:
    *others, last = sorted(names, key=SPLITS.index)
    return f"{', '.join(others)} and {last}" if others else last
