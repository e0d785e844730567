"""Cost and accuracy: what is on the frontier is beaten by nothing."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.artifacts import Cost
from pipeline.evaluation.frontier import frontier
from pipeline.evaluation.intervals import Estimate

COSTS = {"a": Cost(10, 40, 100), "b": Cost(20, 80, 300)}


def estimate(value: float) -> Estimate:
    return Estimate(value, value, value, 10)


def test_an_ensemble_costs_what_its_members_cost() -> None:
    counted = {"a": ("a",), "b": ("b",), "mean": ("a", "b")}
    figures = {name: estimate(value) for name, value in (("a", 0.8), ("b", 0.7), ("mean", 0.9))}
    found = frontier(COSTS, counted, figures, higher_is_better=True)
    assert [row.system for row in found] == ["a", "b", "mean"]
    assert found[-1].cost == Cost(30, 120, 400)
    assert [row.num_members for row in found] == [1, 1, 2]
    assert [row.on_frontier for row in found] == [True, False, True]
    turned = frontier(COSTS, counted, figures, higher_is_better=False)
    assert [row.on_frontier for row in turned] == [True, True, False]


def test_equals_are_both_on_the_frontier() -> None:
    counted = {"a": ("a",), "best": ("a",)}
    figures = {name: estimate(0.8) for name in counted}
    assert all(row.on_frontier for row in frontier(COSTS, counted, figures, higher_is_better=True))


points = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=8)


@given(points)
def test_the_frontier_is_its_definition(pairs: list[tuple[int, int]]) -> None:
    names = [f"m{i}" for i in range(len(pairs))]
    costs = {name: Cost(1, 1, work) for name, (work, _) in zip(names, pairs, strict=True)}
    figures = {name: estimate(value) for name, (_, value) in zip(names, pairs, strict=True)}
    rows = frontier(costs, {name: (name,) for name in names}, figures, higher_is_better=True)
    by_name = {row.system: row for row in rows}
    for name, (work, value) in zip(names, pairs, strict=True):
        beaten = any(w <= work and v >= value and (w, v) != (work, value) for w, v in pairs)
        assert by_name[name].on_frontier != beaten
