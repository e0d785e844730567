"""How much each member contributes to the chosen ensemble, and how many members suffice."""

from typing import NamedTuple

import numpy as np

from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.significance import holm, pairs


class Contribution(NamedTuple):
    """The contribution of one member."""

    member: str
    difference: Estimate
    """The headline metric of the full ensemble minus that of the ensemble without the member."""
    p: float
    """The p-value of no difference, corrected for all members."""


class Size(NamedTuple):
    """The metric of an ensemble of some of the members."""

    num_members: int
    added: str
    """The members that the next smaller ensemble lacks."""
    figure: Estimate
    difference: Estimate
    """The difference from the ensemble of all members."""


def contributions(
    evaluator: Evaluator, whole: SystemOutput, without: dict[str, SystemOutput]
) -> list[Contribution]:
    """Return the contribution of each member, the most helpful first.

    Args:
        without: the ensemble's output without each member, by the member's name.
    """
    metric, measured = evaluator.headline_metric, evaluator.measure(whole)
    tables = np.stack([evaluator.table(outputs) for outputs in (whole, *without.values())])
    p = holm(pairs(metric, tables, evaluator.groups, evaluator.weights)[0, 1:])
    found = [
        Contribution(
            member,
            evaluator.bootstrap.difference(measured, evaluator.measure(outputs)),
            float(corrected),
        )
        for (member, outputs), corrected in zip(without.items(), p, strict=True)
    ]
    better = 1 if metric.higher_is_better else -1
    return sorted(found, key=lambda contribution: -better * contribution.difference.value)


def sizes(evaluator: Evaluator, growing: list[tuple[tuple[str, ...], SystemOutput]]) -> list[Size]:
    """Measure ensembles of a growing number of members.

    Args:
        growing: the members of each ensemble, and its output.
    """
    measured = [evaluator.measure(outputs) for _, outputs in growing]
    num_known, found = 0, []
    for (members, _), own in zip(growing, measured, strict=True):
        added = ", ".join(members[num_known:])
        num_known = len(members)
        value = evaluator.bootstrap.estimate(own)
        from_all = evaluator.bootstrap.difference(own, measured[-1])
        if own is measured[-1]:
            from_all = Estimate(0.0, 0.0, 0.0, from_all.num_samples)
        found.append(Size(num_known, added, value, from_all))
    return found
