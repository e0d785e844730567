"""Refit an ensemble without one of its members, to measure what the member adds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.core.component import Component
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.practicable import MOST_VALUES

MOST_MEMBERS = 20
"""The most members that are left out, one at a time."""


def practicable_members(
    members: Sequence[str], predictions: np.ndarray
) -> tuple[list[str], list[str]]:
    """Return the first of the members, which there is time to leave out, and a note on the others.

    Args:
        members: members of the ensemble, the most useful first.
        predictions: predictions of validation; each fit reads nearly all of them.
    """
    most = min(MOST_MEMBERS, MOST_VALUES // predictions.size)
    if len(members) <= most:
        return list(members), []
    note = (
        f"contributions were measured for {most} of {len(members)} members, the most useful ones: "
        f"each takes a fit of {predictions.size:,} predicted values, and {MOST_MEMBERS} fits of "
        f"{MOST_VALUES:,} values in all are the most that end in reasonable time"
    )
    return list(members[:most]), [note]


def without(
    method: Component,
    whole: Combiner,
    predictions: np.ndarray,
    val: Validation,
    asked: Sequence[str],
) -> dict[str, Combiner]:
    """Refit the ensemble without each member in `asked`; return the results by member name.

    Args:
        whole: the ensemble; its calibrator is kept.
        predictions: predictions of validation; the first axis is that of the ensemble's members.
    """
    kept = replace(val, calibrators=[c for c in val.calibrators if c.name == whole.calibrator])
    found = {}
    for left_out in asked:
        places = [place for place, member in enumerate(whole.members) if member != left_out]
        others = [whole.members[place] for place in places]
        found[left_out] = fit(method, others, predictions, kept, places).combiner
    return found
