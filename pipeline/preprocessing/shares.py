"""Find splits in which the classes have other shares than in another, beyond chance.

A pair of splits is compared by Pearson's chi-squared test of homogeneity, with Bonferroni's
correction for the number of pairs. A unit counts as one, divided between the classes of its images,
since its images are no independent evidence.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import chi2_contingency

LEVEL = 0.01  # a warning that is wrong for one data set in twenty would soon be read by nobody
LEAST_EXPECTED = 5.0  # W. Cochran, Some Methods for Strengthening the Common χ² Tests, 1954
SHOWN = 3  # classes that a sentence names


class Difference(NamedTuple):
    """Two splits in which the classes have different shares."""

    first: str
    second: str
    p: float
    shares: list[tuple[str, float, float]]
    """Each class or label with its share of the units in both splits, largest difference first."""

    def __str__(self) -> str:
        """Return `cat 40.1% and 10.0%, dog 20.0% and 10.0%, p < 0.001`."""
        named = ", ".join(f"{name} {own:.1%} and {other:.1%}" for name, own, other in self.shares)
        return f"{named}, p {'< 0.001' if self.p < 0.001 else f'= {self.p:.3f}'}"


def differences(
    targets: np.ndarray, units: Sequence[str], split: np.ndarray, classes: list[str]
) -> list[Difference]:
    """Return the pairs of splits that differ; none where targets are values.

    Args:
        targets: int64, n: classes; bool, n k: labels; float64, n t: values.
        units: the unit of each sample.
        split: the split of each sample.
    """
    if targets.dtype.kind == "f":
        return []
    has = targets if targets.ndim == 2 else targets[:, None] == np.arange(len(classes))
    names = [name for name in ("train", "val", "test") if name in split]
    held = {name: _by_unit(has[split == name], np.array(units)[split == name]) for name in names}
    pairs = list(combinations(names, 2))
    found = [
        _compared(pair, np.stack([held[name] for name in pair]), classes, targets.ndim == 2)
        for pair in pairs
    ]
    corrected = [one._replace(p=min(1.0, one.p * len(pairs))) for one in found]
    return [one for one in corrected if one.p < LEVEL]


def _by_unit(has: Bool[np.ndarray, "n k"], units: np.ndarray) -> Float[np.ndarray, " k1"]:
    """Return the number of units with each class, and the number of units."""
    _, unit, size = np.unique(units, return_inverse=True, return_counts=True)
    return np.append((has / size[unit][:, None]).sum(axis=0), len(size))


def _compared(
    pair: tuple[str, str], held: Float[np.ndarray, "2 k1"], classes: list[str], has_labels: bool
) -> Difference:
    num, totals = held[:, :-1], held[:, -1:]
    tables = [np.stack([one, totals[:, 0] - one], axis=1) for one in num.T] if has_labels else [num]
    p = min(1.0, len(tables) * min(map(_p_value, tables)))
    pooled = num.sum(axis=0) / totals.sum()
    noise = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / totals).sum())
    shares = num / totals
    order = np.argsort(-np.abs(shares[0] - shares[1]) / noise, kind="stable")[:SHOWN]
    return Difference(*pair, p, [(classes[i], *shares[:, i].tolist()) for i in order.tolist()])


def _p_value(table: Float[np.ndarray, "2 k"]) -> float:
    """Return the p-value of equal shares, with classes pooled that are too rare for the test."""
    columns = _pooled(table)
    if len(columns) < 2:
        return 1.0
    return float(chi2_contingency(columns, correction=False).pvalue)


def _pooled(table: Float[np.ndarray, "2 k"]) -> Float[np.ndarray, "k2 2"]:
    """Add up columns, rarest first, until each sum is expected often enough in both rows."""
    least = LEAST_EXPECTED * table.sum() / table.sum(axis=1).min()
    pools = [np.zeros(2)]
    for column in table.T[np.argsort(table.sum(axis=0), kind="stable")]:
        if pools[-1].sum() >= least:
            pools.append(np.zeros(2))
        pools[-1] = pools[-1] + column
    if pools[-1].sum() < least and len(pools) > 1:
        last = pools.pop()
        pools[-1] = pools[-1] + last
    return np.stack(pools)
