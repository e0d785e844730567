"""How many labels are wrong, by how often labels contradict the surest predictions.

A list of suspects holds wrong labels and hard samples alike. Neither the confident joint, which the
list is as long as, nor the sum of 1 - p over it tells the two apart: on classes that overlap, both
count hundreds where no label is wrong. Where a system is surest of a class, few samples are hard,
so a label that contradicts it there is wrong; and labels are taken to be wrong as often elsewhere
(the anchor points of T. Liu and D. Tao, Classification with Noisy Labels by Importance Reweighting,
2016). Where even the surest predictions meet hard samples, the number is too high: nothing in the
predictions tells these from wrong labels, so it is stated as the most that there are.
"""

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from pipeline.evaluation.intervals import Estimate

SUREST = 0.1
"""The share of the samples predicted as a class that are its anchor points."""
FEWEST = 10


class Stratum(NamedTuple):
    """The samples that are predicted as one class."""

    num: int
    num_anchors: int
    num_wrong: int
    """The number of anchors with another label."""


def num_wrong_labels(
    log_probs: Float[np.ndarray, "n k"] | Float[np.ndarray, "n k 2"],
    targets: Int[np.ndarray, " n"] | Bool[np.ndarray, "n k"],
    confidence: float,
) -> Estimate:
    """Estimate the number of wrong labels; `num_samples` is the number of labels.

    Args:
        log_probs: predictions by systems that saw neither the sample nor its label.
    """
    if targets.ndim == 1:
        strata = _strata(log_probs, targets)
    else:
        strata = [
            one
            for place in range(targets.shape[1])
            for one in _strata(log_probs[:, place], targets[:, place].astype(int))
        ]
    num, sizes, anchors, wrong = targets.size, *np.array(strata, float).T
    share = wrong / anchors
    value = float(sizes @ share) / num
    variance = float((sizes**2 * share * (1 - share) / anchors).sum()) / num**2
    low, high = _wilson(
        value, value * (1 - value) / variance if variance else anchors.sum(), confidence
    )
    return Estimate(num * value, num * low, num * high, num)


def wrong_labels_sentence(found: Estimate, num_suspects: int, num_unseen: int) -> str:
    """State how many labels are wrong at most, and of which samples nothing is known.

    Args:
        num_suspects: the length of the list of suspected labels.
        num_unseen: the number of samples that only networks which learned from them predict.
    """
    said = (
        f"at most about {found.value:,.0f} [{found.low:,.0f}, {found.high:,.0f}] of "
        f"{found.num_samples:,} labels are wrong, by how often labels contradict the surest "
        "predictions, which hard samples do as well; the list of suspects holds "
        f"{num_suspects:,}"
    )
    if num_suspects > found.high:
        said += ", more than are wrong, as hard samples look alike"
    if not num_unseen:
        return said
    return (
        f"{said}; {num_unseen:,} training samples were not examined, as every network learned from "
        "them: data.num_folds would have all examined"
    )


def _strata(probs: Float[np.ndarray, "n k"], given: Int[np.ndarray, " n"]) -> list[Stratum]:
    predicted, found = probs.argmax(axis=1), []
    for place in np.unique(predicted):
        rows = np.flatnonzero(predicted == place)
        num = min(max(int(SUREST * len(rows)), FEWEST), len(rows))
        surest = rows[np.argsort(-probs[rows, place], kind="stable")[:num]]
        found.append(Stratum(len(rows), num, int((given[surest] != place).sum())))
    return found


def _wilson(share: float, num: float, confidence: float) -> tuple[float, float]:
    """Return Wilson's interval of a share that rests on so many independent samples."""
    far = float(scipy.stats.norm.ppf((1 + confidence) / 2)) ** 2 / num
    middle, reach = share + far / 2, (far * (share * (1 - share) + far / 4)) ** 0.5
    return max(0.0, (middle - reach) / (1 + far)), min(1.0, (middle + reach) / (1 + far))
