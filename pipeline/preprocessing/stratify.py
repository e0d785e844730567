"""Give every class, label or range of values the same share in every part, as far as possible.

One algorithm stratifies single classes, labels and whole units: iterative stratification (Sechidis,
Tsoumakas and Vlahavas, On the stratification of multi-label data, ECML 2011), which distributes the
rarest label first. The paper gives an image to the part that lacks most of that one label. Convoy
gives a unit to the part where Pearson's chi-squared distance from all quotas falls most, since a
unit may hold a few images of a rare class and hundreds of a common one.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csc_array, csr_array

NUM_BINS = 10  # ranges of a value that are stratified, with equal numbers of images


class Strata(NamedTuple):
    """The strata to distribute. The first `len(names)` columns are needed in every part."""

    counts: csr_array
    """Images by row and stratum; a row is a sample or a unit, and has at least one stratum."""
    names: list[str]
    kind: str
    """The kind of things that are named, for messages."""

    def of_rows(self, rows: np.ndarray) -> "Strata":
        """Return the strata of some samples, by index or mask."""
        return self._replace(counts=self.counts[rows])

    def of_units(self, units: Int[np.ndarray, " n"]) -> "Strata":
        """Sum the counts of the samples over each unit; units are 0, 1, …"""
        ones = np.ones(len(units), np.int64)
        joined = coo_array((ones, (units, np.arange(len(units))))).tocsr()
        return self._replace(counts=(joined @ self.counts).tocsr())


def strata(targets: np.ndarray, classes: list[str]) -> Strata:
    """Return the strata of a task's targets.

    int64, n: each class. bool, n k: each label, and having no label, which is not needed
    everywhere. float64, n t: all samples, and tenths of the first value's range, which are not
    needed everywhere.
    """
    rows = np.arange(len(targets))
    if targets.dtype == bool:
        bare = ~targets.any(axis=1, keepdims=True)
        return Strata(csr_array(np.hstack([targets, bare]), dtype=np.int64), classes, "label")
    if targets.ndim == 1:
        return Strata(_one_each(rows, targets, len(classes)), classes, "class")
    edges = np.unique(np.quantile(targets[:, 0], np.linspace(0, 1, NUM_BINS + 1)[1:-1]))
    bins = _one_each(rows, 1 + np.searchsorted(edges, targets[:, 0]), 2 + len(edges))
    everything = _one_each(rows, np.zeros_like(rows), 2 + len(edges))
    return Strata((bins + everything).tocsr(), classes[:1], "value")


def stratify(
    counts: csr_array, order: Float[np.ndarray, " m"], shares: Float[np.ndarray, " p"]
) -> Int[np.ndarray, " m"]:
    """Return the part of each unit.

    The rarest stratum is distributed first, and its largest units first. Units of one image and one
    stratum fill every quota exactly.

    Args:
        counts: images by unit and stratum.
        order: breaks ties among units of one size, so that the source's order does not matter.
        shares: the share of each part; they add up to 1.
    """
    quota = np.stack([quotas(int(total), shares) for total in counts.sum(axis=0)], axis=1)
    wanted = quota.copy()
    ranks = np.lexsort((order, -counts.sum(axis=1)))
    by_stratum = csc_array(counts[ranks])
    parts = np.full(len(ranks), -1)
    left = counts.sum(axis=0)
    while left.any():
        stratum = int(np.argmin(np.where(left > 0, left, np.inf)))
        members = ranks[np.sort(by_stratum[:, [stratum]].nonzero()[0])]
        members = members[parts[members] < 0]
        _share_out(members, counts, quota, wanted, parts)
        left = left - counts[members].sum(axis=0)
    return parts


def quotas(count: int, shares: Float[np.ndarray, " p"]) -> Int[np.ndarray, " p"]:
    """Divide `count` into whole numbers by largest remainder, none of them 0 if possible."""
    exact = count * shares
    whole: np.ndarray = np.maximum(np.floor(exact).astype(np.int64), int(count >= len(shares)))
    while whole.sum() < count:
        whole[np.argmax(exact - whole)] += 1
    while whole.sum() > count:
        whole[np.argmax(np.where(whole > 1, whole - exact, -np.inf))] -= 1
    return whole


def _share_out(
    units: np.ndarray,
    counts: csr_array,
    quota: np.ndarray,
    wanted: np.ndarray,
    parts: np.ndarray,
) -> None:
    """Place these units in turn, and subtract what they hold from `wanted`."""
    for unit in units:
        held = slice(counts.indptr[unit], counts.indptr[unit + 1])
        strata, images = counts.indices[held], counts.data[held]
        # The decrease of Pearson's chi-squared distance between what is held and the quota.
        gain = images * (2 * wanted[:, strata] - images) / np.maximum(quota[:, strata], 0.5)
        parts[unit] = np.argmax(gain.sum(axis=1))
        wanted[parts[unit], strata] -= images


def _one_each(rows: np.ndarray, columns: np.ndarray, num: int) -> csr_array:
    ones = np.ones(len(rows), np.int64)
    return coo_array((ones, (rows, columns)), (len(rows), num)).tocsr()
