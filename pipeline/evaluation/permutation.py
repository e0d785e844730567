"""P-values of parts of the samples by permutation: how often a random part is as weak as this one.

Ratios such as F1 rest on few samples of a part, of which all may agree by chance: their variance is
then estimated as 0, and Student's t finds much in it. Among random parts of as many groups the
figure varies as it does without any difference, whatever the metric. R. Fisher, The Design of
Experiments, 1935; E. Edgington and P. Onghena, Randomization Tests, 2007.
"""

import numpy as np
from jaxtyping import Float, Int

from pipeline.evaluation.metrics import Metric

MOST, FEWEST, SEED = 4999, 999, 0
MOST_WORK = 2e8
"""Numbers to add up, which bounds how many random parts there are."""
ROUNDING = 1e-9


def no_weaker(
    metric: Metric,
    sums: Float[np.ndarray, "g s"],
    counts: Float[np.ndarray, " g"],
    figures: Float[np.ndarray, " p"],
    sizes: Int[np.ndarray, " p"],
) -> Float[np.ndarray, " p"]:
    """Return one-sided p-values of p parts being no worse than the rest.

    Args:
        sums: the sums of the metric's statistics over each group.
        counts: the number, or weight, of the samples in each group.
        figures: the metric of each part minus that of all samples outside.
        sizes: the number of groups in each part.
    """
    rng, num = np.random.default_rng(SEED), len(counts)
    num_drawn = int(np.clip(MOST_WORK / sums.size, FEWEST, MOST))
    table = np.hstack([counts[:, None], sums])
    whole, sign = table.sum(axis=0), 1 if metric.higher_is_better else -1
    as_weak = np.ones(len(sizes))
    for _ in range(num_drawn):
        inside = table[rng.permutation(num)].cumsum(axis=0)[sizes - 1]
        drawn = gap(metric, inside, whole - inside)
        as_weak += sign * drawn <= sign * figures + ROUNDING
    return as_weak / (1 + num_drawn)


def gap(
    metric: Metric, inside: Float[np.ndarray, "p t"], outside: Float[np.ndarray, "p t"]
) -> Float[np.ndarray, " p"]:
    """Return the metric of parts minus that of their rests; 0 where one of them is undefined.

    Args:
        inside: the number of samples of each part, and the sums of their statistics.
        outside: the same of the rest.
    """
    own, rest = (metric.value(part[:, 1:], part[:, 0]) for part in (inside, outside))
    return np.asarray(np.nan_to_num(own - rest))
