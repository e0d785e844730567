"""P-values of differences, and their correction for multiple comparisons.

Where each sample is right or wrong, independent, and counts as much as all others, tests on counts
are used: McNemar's test between two systems, Fisher's test between some of the samples and the
rest. Both use the mid-p, which wastes less power than the exact p and keeps its level in practice.
In all other cases Student's t is used on jackknife pseudo-values of the metric, one for each group
of samples.
"""

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from pipeline.evaluation import permutation
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.subset import Table, gap, parted


def pairs(
    metric: Metric,
    tables: Float[np.ndarray, "m n s"],
    groups: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "m m"]:
    """Return two-sided p-values of no difference for each pair of m systems; 1 for equal ones.

    Args:
        tables: the statistics of the metric, for each system.
        weights: how much each sample counts.
    """
    if counts_decide(tables, groups, weights):
        right = tables[..., 0]
        only_first = right @ (1 - right).T
        return mcnemar(only_first, only_first.T)
    pseudo = np.stack([pseudo_values(metric, table, groups, weights) for table in tables], axis=1)
    return np.stack([two_sided(own[:, None] - pseudo) for own in pseudo.T])


def weaker(
    metric: Metric,
    table: Table,
    inside: Bool[np.ndarray, "p n"],
    groups: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " p"]:
    """Return one-sided p-values, one for each of p parts, of being no worse than the rest.

    Ratios, such as F1, are tested by permutation where parts hold whole groups.
    """
    if counts_decide(table, groups, weights):
        is_wrong = table[:, 0] == (0 if metric.higher_is_better else 1)
        return fisher(
            (inside & is_wrong).sum(axis=1), inside.sum(axis=1), is_wrong.sum(), len(table)
        )
    _, places = np.unique(groups, return_inverse=True)
    if metric.is_ratio and _hold_whole(inside, places):
        return _permuted(metric, table, inside, places, weights)
    parts = [parted(table, part) for part in inside]
    pseudo = [pseudo_values(gap(metric, part), part, groups, weights) for part in parts]
    t = student_t(np.stack(pseudo, axis=1))
    num_groups = len(np.unique(groups))
    return np.asarray(scipy.stats.t.sf(-t if metric.higher_is_better else t, num_groups - 1))


def _hold_whole(inside: Bool[np.ndarray, "p n"], groups: Int[np.ndarray, " n"]) -> bool:
    """Return whether no group lies both inside and outside of a part."""
    sizes = np.bincount(groups)
    return all(np.isin(np.bincount(groups, part) / sizes, (0, 1)).all() for part in inside)


def _permuted(
    metric: Metric,
    table: Table,
    inside: Bool[np.ndarray, "p n"],
    groups: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " p"]:
    counted = weights[:, None] * np.hstack([np.ones((len(table), 1)), table])
    parts = inside @ counted
    found = permutation.gap(metric, parts, counted.sum(axis=0) - parts)
    grouped = np.stack([np.bincount(groups, column) for column in counted.T], axis=1)
    sizes = np.array([len(np.unique(groups[part])) for part in inside])
    return permutation.no_weaker(metric, grouped[:, 1:], grouped[:, 0], found, sizes)


def mcnemar(
    num_first: Float[np.ndarray, "*p"], num_second: Float[np.ndarray, "*p"]
) -> Float[np.ndarray, "*p"]:
    """Return the two-sided mid-p of two systems being right equally often.

    M. Fagerland, S. Lydersen and P. Laake, The McNemar Test for Binary Matched-Pairs Data, BMC
    Medical Research Methodology 2013. Where both counts are equal it is 1, as the systems are.

    Args:
        num_first: the number of samples on which only the first system is right; `num_second`
            likewise.
    """
    fewer, either = np.minimum(num_first, num_second), num_first + num_second
    binom = scipy.stats.binom
    p: np.ndarray = 2 * binom.cdf(fewer, either, 0.5) - binom.pmf(fewer, either, 0.5)
    return p


def fisher(
    num_wrong: Int[np.ndarray, "*p"],
    num_samples: Int[np.ndarray, "*p"],
    wrong_in_all: int | np.integer,
    num_in_all: int,
) -> Float[np.ndarray, "*p"]:
    """Return the one-sided mid-p of each part being wrong no more often than chance has it."""
    urn = (num_in_all, wrong_in_all, num_samples)
    hypergeom = scipy.stats.hypergeom
    p: np.ndarray = hypergeom.sf(num_wrong, *urn) + hypergeom.pmf(num_wrong, *urn) / 2
    return p


def pseudo_values(
    metric: Metric,
    table: Table,
    groups: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " g"]:
    """Return what each group contributes to a metric, found by leaving the group out.

    For a mean over independent samples these are the samples themselves. A group without which the
    metric is undefined contributes the metric. J. Tukey, Bias and Confidence in Not Quite Large
    Samples, 1958.
    """
    sums = np.stack([np.bincount(groups, column * weights) for column in table.T], axis=1)
    sizes = np.bincount(groups, weights)
    whole = metric.value(sums.sum(axis=0, keepdims=True), sizes.sum(keepdims=True))
    without = metric.value(sums.sum(axis=0) - sums, sizes.sum() - sizes)
    without = np.where(np.isnan(without), whole, without)
    values: np.ndarray = len(sizes) * whole - (len(sizes) - 1) * without
    return values


def two_sided(pseudo: Float[np.ndarray, "g *p"]) -> Float[np.ndarray, "*p"]:
    """Return the p-value of a mean of 0 over the groups.

    Where few groups differ from 0, it is at least the probability that so many have the same sign
    by chance: t alone would find too much in them. One group alone shows nothing.
    """
    if len(pseudo) < 2:
        return np.ones(pseudo.shape[1:])
    p = 2 * scipy.stats.t.sf(np.abs(student_t(pseudo)), len(pseudo) - 1)
    num_differing = np.count_nonzero(pseudo, axis=0)
    return np.asarray(np.minimum(np.maximum(p, 2.0 ** (1 - num_differing)), 1))


def student_t(pseudo: Float[np.ndarray, "g *p"]) -> Float[np.ndarray, "*p"]:
    """Return Student's t for a mean of 0 over the groups.

    It is 0 if all are 0, and infinite if all equal another value.
    """
    mean = pseudo.mean(axis=0)
    error = pseudo.std(axis=0, ddof=1) / np.sqrt(len(pseudo))
    is_flat = error <= 1e-12 * np.abs(mean)
    t: np.ndarray = np.divide(mean, error, out=np.zeros_like(mean), where=~is_flat)
    return np.where(is_flat & (mean != 0), np.copysign(np.inf, mean), t)


def holm(p: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    """Correct p-values so that all hold at once, however they depend on each other.

    S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    order = np.argsort(p)
    left = np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * left), 1)
    return corrected


def counts_decide(
    tables: Float[np.ndarray, "*m n s"],
    groups: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> bool:
    """Return whether each sample is right or wrong, independent, and counts as much as others."""
    is_whole = tables.shape[-1] == 1 and bool(np.isin(tables, (0, 1)).all())
    return is_whole and len(np.unique(groups)) == len(groups) and bool((weights == 1).all())
