"""Which image is for training, which for validation, which for the test."""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from jaxtyping import Int

from pipeline.errors import UserError

SPLITS = ("train", "val", "test")


def stratified(
    targets: Int[np.ndarray, " n"], ids: list[str], fraction: float, seed: int
) -> np.ndarray:
    """Mark `fraction` of every class, at least one image of each, as a boolean mask.

    An image's place in its class is its hash of (seed, id): the order in which a source lists
    its images does not matter.
    """
    order = np.array([_hash(seed, sample) for sample in ids])
    chosen = np.zeros(len(ids), bool)
    for members in _by_class(targets):
        size = max(1, round(len(members) * fraction))
        chosen[members[np.argsort(order[members])][:size]] = True
    return chosen


def split(
    targets: Int[np.ndarray, " n"],
    ids: list[str],
    classes: list[str],
    in_test: np.ndarray | None,
    *,
    val_fraction: float,
    test_fraction: float | None,
    seed: int,
) -> dict[str, np.ndarray]:
    """The indices of each split, in the source's order.

    Args:
        in_test: the source's own test split, if it brings one.
        val_fraction: of the whole; of what is not test where the source brings its own test.
        test_fraction: of the whole; None with `in_test`.

    Raises:
        UserError: a class has too few images, or the test split is both brought and asked for.
    """
    if (in_test is None) == (test_fraction is None):
        found = "no test split" if in_test is None else "a test split of its own"
        remedy = "a fraction such as 0.2" if in_test is None else "null"
        raise UserError(f"data.test_fraction: the source brings {found}; set it to {remedy}")
    if in_test is None:
        assert test_fraction is not None
        _enough(targets, classes, np.ones(len(ids), bool), 3, "train, val and test")
        in_test = stratified(targets, ids, test_fraction, seed)
        val_fraction = val_fraction / (1 - test_fraction)
    _enough(targets, classes, ~in_test, 2, "train and val")
    _enough(targets, classes, in_test, 1, "test")
    rest = np.flatnonzero(~in_test)
    in_val = np.zeros(len(ids), bool)
    in_val[rest] = stratified(targets[rest], [ids[i] for i in rest], val_fraction, seed + 1)
    masks = (~in_test & ~in_val, in_val, in_test)
    return {name: np.flatnonzero(mask) for name, mask in zip(SPLITS, masks, strict=True)}


def _enough(
    targets: np.ndarray, classes: list[str], pool: np.ndarray, needed: int, where: str
) -> None:
    counts = np.bincount(targets[pool], minlength=len(classes))
    if counts.min() < needed:
        name = classes[int(counts.argmin())]
        raise UserError(
            f"class {name!r} has {counts.min()} images for {where}; "
            f"give it at least {needed} or leave the class out"
        )


def _by_class(targets: np.ndarray) -> Iterator[np.ndarray]:
    return (np.flatnonzero(targets == label) for label in np.unique(targets))


def _hash(seed: int, sample: str) -> int:
    digest = blake2b(f"{seed}:{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1  # 63 bits fit numpy's int64
