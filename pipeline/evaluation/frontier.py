"""The Pareto frontier of accuracy against cost: the systems that no other beats on both."""

from typing import NamedTuple

from pipeline.core.artifacts import Cost
from pipeline.evaluation.intervals import Estimate


class Priced(NamedTuple):
    """One system with its cost."""

    system: str
    num_members: int
    """The number of members that contribute to the system."""
    cost: Cost
    figure: Estimate
    on_frontier: bool
    """No other system is as good at fewer multiply-adds, or better at as many."""


def frontier(
    costs: dict[str, Cost],
    counted: dict[str, tuple[str, ...]],
    figures: dict[str, Estimate],
    *,
    higher_is_better: bool,
) -> list[Priced]:
    """Return all systems, the cheapest first.

    Args:
        costs: the cost of each member.
        counted: the members that each system needs.
        figures: the headline metric of each system.
    """
    totals = {
        name: Cost.total(costs[member] for member in needed) for name, needed in counted.items()
    }
    sign = 1 if higher_is_better else -1
    score = {name: sign * figures[name].value for name in counted}

    def is_beaten(name: str) -> bool:
        own = (-totals[name].multiply_adds, score[name])
        others = ((-totals[other].multiply_adds, score[other]) for other in counted)
        return any(o != own and o[0] >= own[0] and o[1] >= own[1] for o in others)

    rows = [
        Priced(name, len(needed), totals[name], figures[name], not is_beaten(name))
        for name, needed in counted.items()
    ]
    return sorted(rows, key=lambda row: (row.cost.multiply_adds, -score[row.system], row.system))
