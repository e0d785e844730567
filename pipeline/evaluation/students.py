"""Students against their ensemble and the best member: what is saved, and what is lost."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pipeline.evaluation.comparison import Comparison, contrast, measure, surely_alike
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.frontier import Priced
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.significance import holm
from pipeline.evaluation.verdict import sentence


class Taught(NamedTuple):
    """One student against another system."""

    student: str
    other: str
    """The chosen ensemble, from which it has learned; or the best member."""
    cost_share: float
    """Its multiply-adds for one image, as a share of those of the other."""
    difference: Estimate
    """The student minus the other, by the headline metric."""
    p: float
    p_corrected: float
    """The p-value corrected for all comparisons of students."""
    said: str
    """The same as a sentence."""


def taught(
    evaluator: Evaluator,
    systems: Mapping[str, SystemOutput],
    comparison: Comparison,
    prices: Sequence[Priced],
    students: Sequence[str],
) -> list[Taught]:
    """Compare each student with the chosen ensemble and with the best member.

    These comparisons are planned, two for each student, so the p-values are corrected for their
    number (Holm) and not for that of all pairs.
    """
    others = {
        comparison.gain.first: "the ensemble",
        comparison.gain.second: "the best member",
    }
    needed = {name: systems[name] for name in (*others, *students)}
    measured = measure(evaluator, needed) if students else {}
    found = [contrast(evaluator, needed, measured, s, o) for s in students for o in others]
    cost_of = {row.system: row.cost.multiply_adds for row in prices}
    corrected, rows = holm(np.array([one.p for one in found])).tolist(), []
    for one, p, resolution in zip(found, corrected, surely_alike(found), strict=True):
        share = cost_of[one.first] / cost_of[one.second]
        surely = replace(one, p=p, resolution=resolution)
        names = f"the student {one.first}", f"{others[one.second]} {one.second}"
        said = (
            f"the student {one.first} has {100 * share:.3g}% of the multiply-adds of {names[1]}: "
            f"{sentence(surely, evaluator, *names)}; p is corrected for all {len(found)} "
            "comparisons of students (Holm)"
        )
        difference = one.differences[evaluator.headline]
        rows.append(Taught(one.first, one.second, share, difference, one.p, p, said))
    return rows
