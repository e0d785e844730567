"""What each member adds to the chosen ensemble, and how few members are enough."""

from typing import NamedTuple

import numpy as np

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.significance import holm, pairs
from pipeline.evaluation.yardstick import Yardstick


class Contribution(NamedTuple):
    """Of one member."""

    member: str
    difference: Estimate
    """The whole ensemble's headline metric less that without the member."""
    p: float
    """Of no difference, corrected for all members."""


class Size(NamedTuple):
    """An ensemble of some members."""

    num_members: int
    added: str
    """The members that the next smaller one lacks."""
    figure: Estimate
    difference: Estimate
    """From the ensemble of all members."""


def contributions(
    yardstick: Yardstick, whole: Answers, without: dict[str, Answers]
) -> list[Contribution]:
    """The most helpful member first.

    Args:
        without: what the ensemble says without each member.
    """
    metric, figures = yardstick.headline_metric, yardstick.figures(whole)
    tables = np.stack([yardstick.table(answers) for answers in (whole, *without.values())])
    p = holm(pairs(metric, tables, yardstick.groups)[0, 1:])
    found = [
        Contribution(
            member,
            yardstick.bootstrap.estimate(figures - yardstick.figures(answers)),
            float(corrected),
        )
        for (member, answers), corrected in zip(without.items(), p, strict=True)
    ]
    better = 1 if metric.higher_is_better else -1
    return sorted(found, key=lambda contribution: -better * contribution.difference.value)


def sizes(yardstick: Yardstick, growing: list[tuple[tuple[str, ...], Answers]]) -> list[Size]:
    """What is won by the members that each ensemble has more than the last.

    Args:
        growing: members, and what they say together.
    """
    figures = [yardstick.figures(answers) for _, answers in growing]
    num_known, found = 0, []
    for (members, _), own in zip(growing, figures, strict=True):
        added = ", ".join(members[num_known:])
        num_known = len(members)
        value = yardstick.estimate(yardstick.headline, own)
        from_all = yardstick.bootstrap.estimate(own - figures[-1])
        found.append(Size(num_known, added, value, from_all))
    return found
