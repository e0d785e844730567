"""Probable label errors, found by confident learning.

C. Northcutt, L. Jiang and I. Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
JAIR 2021. A sample confidently belongs to a class when its probability reaches the mean probability
over the samples with that label (section 3.1). Counting such samples estimates how many labels
`given` should be `suggested`; as many are suspected, those with the widest margin (section 3.2,
method 4).

The probabilities have to come from systems that saw neither the sample nor its label.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Suspect(NamedTuple):
    """One suspected label."""

    id: str
    given: str
    suggested: str
    given_probability: float
    suggested_probability: float
    margin: float
    """The difference of the two probabilities: 0 is doubtful, 1 is certainly wrong."""


def suspects(
    log_probs: Float[np.ndarray, "n k"] | Float[np.ndarray, "n k 2"],
    targets: Int[np.ndarray, " n"] | Bool[np.ndarray, "n k"],
    ids: np.ndarray,
    names: tuple[str, ...],
) -> list[Suspect]:
    """Return suspected labels, the worst first.

    Args:
        names: the classes; or the labels, each of which is then examined on its own.
    """
    if targets.ndim == 1:
        found = _of(np.exp(log_probs), targets, ids, names)
    else:
        found = [
            suspect
            for i, name in enumerate(names)
            for suspect in _of(
                np.exp(log_probs[:, i]), targets[:, i].astype(int), ids, (f"no {name}", name)
            )
        ]
    return sorted(found, key=lambda suspect: (-suspect.margin, suspect.id))


def confident_joint(
    probs: Float[np.ndarray, "n k"], given: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "k k"]:
    """Estimate how many samples of each label (row) are of which class; equation 3, calibrated."""
    num_classes = probs.shape[1]
    num_given = np.bincount(given, minlength=num_classes)
    own = np.bincount(given, probs[np.arange(len(given)), given], minlength=num_classes)
    threshold = np.full(num_classes, np.inf)  # infinite for a class that is no sample's label
    np.divide(own, num_given, out=threshold, where=num_given > 0)
    candidates = np.where(probs >= threshold, probs, -1)
    is_confident = candidates.max(axis=1) >= 0
    joint = np.zeros((num_classes, num_classes))
    np.add.at(joint, (given[is_confident], candidates.argmax(axis=1)[is_confident]), 1)
    counted = joint.sum(axis=1, keepdims=True)
    calibrated: np.ndarray = joint / np.maximum(counted, 1) * num_given[:, None]
    return calibrated


def _suggested(
    probs: Float[np.ndarray, "n k"], given: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Return the class that each sample should have: the given one unless it is suspected."""
    suggested, widest = given.copy(), np.zeros(len(given))
    num_wrong = np.round(confident_joint(probs, given)).astype(int)
    for i, j in np.argwhere(num_wrong):
        rows = np.flatnonzero(given == i)
        margins = probs[rows, j] - probs[rows, i]  # 0 for i = j, which suggests nothing
        most = np.argsort(-margins, kind="stable")[: num_wrong[i, j]]
        better = most[margins[most] > widest[rows[most]]]
        suggested[rows[better]], widest[rows[better]] = j, margins[better]
    return suggested


def _of(
    probs: Float[np.ndarray, "n k"],
    given: Int[np.ndarray, " n"],
    ids: np.ndarray,
    names: tuple[str, ...],
) -> list[Suspect]:
    classes, rows = _suggested(probs, given), np.arange(len(given))
    own, other = probs[rows, given], probs[rows, classes]
    return [
        Suspect(
            str(ids[row]),
            names[given[row]],
            names[classes[row]],
            *map(float, (own[row], other[row], other[row] - own[row])),
        )
        for row in np.flatnonzero(classes != given)
    ]
