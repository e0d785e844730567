"""What a test set can show: the smallest difference that it finds, and if two systems are alike.

The smallest difference is that which the test and the interval of a verdict both show in 80 % of
test sets like this one. It depends on how often the two systems differ, not on how much they do. J.
Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988; for pairs that are right or
wrong, the exact power of McNemar's test: S. Duffy, Asymptotic and Exact Power for the McNemar Test
and its Analogue with R Controls per Case, Biometrics 1984.

Two systems are equivalent where two one-sided tests refuse that they differ by a margin or more: D.
Schuirmann, A Comparison of the Two One-Sided Tests Procedure and the Power Approach, 1987.
"""

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int

from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.significance import counts_decide, pseudo_values

POWER = 0.8
UNLIKELY = 1e-7  # numbers of differing samples outside these tails add nothing to the power
TINY = 1e-9

Tables = Float[np.ndarray, "2 n s"]
"""The statistics of the metric, for each of two systems."""


class Resolution(NamedTuple):
    """How fine a difference between two systems a test set resolves."""

    smallest: float | None
    """The smallest difference in the headline metric that is shown with POWER; None if none is."""
    margin: float | None
    """The difference from which two systems are not equivalent; None where none is given."""
    p_equivalent: float | None
    """The p-value of a difference of the margin or more."""


def resolution(evaluator: Evaluator, tables: Tables) -> Resolution:
    """Return what the evaluator's samples can show of two systems, by the headline metric."""
    given = evaluator.headline_metric, tables, evaluator.groups, evaluator.weights
    margin = evaluator.margin
    return Resolution(
        smallest_difference(*given, evaluator.confidence),
        margin,
        None if margin is None else equivalence(*given, margin),
    )


def smallest_difference(
    metric: Metric,
    tables: Tables,
    groups: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    confidence: float,
) -> float | None:
    """Return the smallest difference that is shown with POWER.

    It is None where no difference can be shown: with too few samples, where two systems are equal
    and their metric is no share, or where a share would have to differ by more than 1.
    """
    if counts_decide(tables, groups, weights):
        return of_counts(tables.shape[1], float((tables[0] != tables[1]).mean()), confidence)
    pseudo = _differences(metric, tables, groups, weights)
    num, differing = len(pseudo), np.abs(pseudo[pseudo != 0])
    error = _error(metric, pseudo)
    if num < 2 or error == 0:
        return None
    limit = float(scipy.stats.t.ppf((1 + confidence) / 2, num - 1))
    far = scipy.optimize.brentq(
        lambda ncp: scipy.stats.nct.sf(limit, num - 1, ncp) - POWER, 0, 10 * limit
    )
    # A few groups of one sign show nothing, see `two_sided`: more have to differ than do here.
    fewest = scipy.stats.gamma.ppf(POWER, np.floor(1 - np.log2(1 - confidence)) + 1)
    found = far * error
    if len(differing) < fewest:
        one = differing.mean() if len(differing) else 1.0
        found = max(found, fewest / num * one)
    return None if metric.interval == "share" and found > 1 else float(found)


def of_counts(num: int, share_differing: float, confidence: float) -> float | None:
    """Return the same for systems that are right or wrong on each of `num` samples.

    Args:
        share_differing: the share of samples on which exactly one system is right.
    """

    def lacking(difference: float) -> float:
        return power(num, max(share_differing, difference), difference, confidence) - POWER

    return None if lacking(1.0) < 0 else float(scipy.optimize.brentq(lacking, TINY, 1.0, xtol=TINY))


def power(num: int, share_differing: float, difference: float, confidence: float) -> float:
    """Return how probable it is that a verdict shows a difference, where this is the true one."""
    binom = scipy.stats.binom
    ends = binom.ppf([UNLIKELY, 1 - UNLIKELY], num, share_differing)
    differing = np.arange(ends[0], ends[1] + 1)
    favourable = (1 + difference / share_differing) / 2
    shown = binom.sf(_needed(differing, num, confidence) - 1, differing, min(favourable, 1.0))
    return float(binom.pmf(differing, num, share_differing) @ shown)


def _needed(
    differing: Float[np.ndarray, " k"], num: int, confidence: float
) -> Float[np.ndarray, " k"]:
    """Return how many of the differing samples must favour one system, to show that it is better.

    McNemar's mid-p must be small enough, and Bonett and Price's interval must exclude 0: see
    `Bootstrap.difference`.
    """
    level = 1 - confidence
    binom = scipy.stats.binom
    fewer = binom.ppf(level / 2, differing, 0.5)
    is_too_many = binom.cdf(fewer, differing, 0.5) + binom.cdf(fewer - 1, differing, 0.5) >= level
    by_test = differing - fewer + is_too_many
    far = scipy.stats.norm.ppf((1 + confidence) / 2)
    surplus = far * np.sqrt((differing + 2) / ((num / (num + 2)) ** 2 + far**2 / num))
    needed: np.ndarray = np.maximum(by_test, np.floor((differing + surplus) / 2) + 1)
    return needed


def equivalence(
    metric: Metric,
    tables: Tables,
    groups: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    margin: float,
) -> float:
    """Return the p-value of two systems differing by `margin` or more, in either direction."""
    if counts_decide(tables, groups, weights):
        first, second = tables[..., 0]
        only_first, only_second = (
            np.array([pair.sum()], float) for pair in (first > second, second > first)
        )
        return float(of_shares(only_first, only_second, len(first), margin)[0])
    pseudo = _differences(metric, tables, groups, weights)
    error, gap = _error(metric, pseudo), margin - abs(float(pseudo.mean()))
    if len(pseudo) < 2 or error == 0:
        return 0.0 if len(pseudo) > 1 and gap > 0 else 1.0
    return float(scipy.stats.t.sf(gap / error, len(pseudo) - 1))


def of_shares(
    only_first: Float[np.ndarray, " p"],
    only_second: Float[np.ndarray, " p"],
    num: int,
    margin: float,
) -> Float[np.ndarray, " p"]:
    """Return the same for systems that are right or wrong on each of `num` samples.

    The score test of T. Tango, Equivalence Test and Confidence Interval for the Difference in
    Proportions for the Paired-Sample Design, Statistics in Medicine 1998, with Yates's correction:
    without it, the level is exceeded where few samples differ.

    Args:
        only_first: the number of samples on which only the first system is right; `only_second`
            likewise.
    """
    p = [
        scipy.stats.norm.sf(_score(ahead, behind, num, margin))
        for ahead, behind in ((only_first, only_second), (only_second, only_first))
    ]
    return np.asarray(np.maximum(*p))


def _score(
    ahead: Float[np.ndarray, " p"], behind: Float[np.ndarray, " p"], num: int, margin: float
) -> Float[np.ndarray, " p"]:
    """Return by how many standard errors one system's lead falls short of the margin."""
    b = (2 * num - ahead + behind) * margin - ahead - behind
    c = -behind * margin * (1 - margin)
    share_behind = (np.sqrt(b * b - 8 * num * c) - b) / (4 * num)  # most likely at the margin
    error = np.sqrt(num * (2 * share_behind + margin * (1 - margin)))
    short: np.ndarray = (num * margin - (ahead - behind) - 0.5) / error
    return short


def _differences(
    metric: Metric,
    tables: Tables,
    groups: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " g"]:
    first, second = (pseudo_values(metric, table, groups, weights) for table in tables)
    less: np.ndarray = first - second
    return less


def _error(metric: Metric, pseudo: Float[np.ndarray, " g"]) -> float:
    """Return the standard error of a difference; that of shares is never 0, as in its interval."""
    num = len(pseudo)
    unseen = 2 / num**2 if metric.interval == "share" else 0.0
    return float(np.sqrt(pseudo.var(ddof=1 if num > 1 else 0) / num + unseen))
