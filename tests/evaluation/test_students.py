"""Students among all systems: what they cost, what they lose, and how sure that is."""

import numpy as np
import pytest

from pipeline.core.artifacts import Cost
from pipeline.core.kind import Kind
from pipeline.evaluation.comparison import Comparison, compare
from pipeline.evaluation.frontier import Priced, frontier
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.significance import holm
from pipeline.evaluation.students import Taught, taught
from tests.evaluation.systems import KINDS, make_evaluator, make_system, make_targets

SKILLS = {"a": 2.0, "b": 1.5, "mean": 3.0, "small": 1.0, "fair": 2.0}
STUDENTS = ["small", "fair"]
MEMBERS = {"mean": ("a", "b")}
COSTS = {name: Cost(10, 40, 1000 if name in "ab" else 250) for name in SKILLS if name != "mean"}


def found(
    kind: Kind, skills: dict[str, float] = SKILLS, students: list[str] = STUDENTS
) -> tuple[dict[str, SystemOutput], Comparison, list[Taught]]:
    targets = make_targets(kind, 400)
    evaluator = make_evaluator(kind, targets)
    systems = {
        name: make_system(kind, targets, skill, seed)
        for seed, (name, skill) in enumerate(skills.items())
    }
    comparison = compare(evaluator, systems, chosen="mean", best_member="a")
    prices: list[Priced] = frontier(
        COSTS,
        {name: MEMBERS.get(name, (name,)) for name in systems},
        {name: own[evaluator.headline] for name, own in comparison.systems.items()},
        higher_is_better=evaluator.headline_metric.higher_is_better,
    )
    return systems, comparison, taught(evaluator, systems, comparison, prices, students)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_compared_with_the_ensemble_and_the_best_member(kind: Kind) -> None:
    _, comparison, rows = found(kind)
    assert [row[:3] for row in rows] == [
        ("small", "mean", 0.125), ("small", "a", 0.25), ("fair", "mean", 0.125), ("fair", "a", 0.25)
    ]  # fmt: skip
    pairs = {frozenset(pair[:2]): pair for pair in comparison.pairs}
    for row in rows:
        pair = pairs[frozenset(row[:2])]
        sign = 1 if pair.first == row.student else -1
        assert row.difference.value == pytest.approx(sign * pair.difference.value)
        assert row.p == pytest.approx(pair.p)
    assert [row.p_corrected for row in rows] == holm(np.array([row.p for row in rows])).tolist()


def test_the_sentence_names_the_share_and_the_loss() -> None:
    _, _, rows = found("classes")
    lost = rows[0].difference
    assert lost.high < 0
    assert rows[0].said.startswith(
        "the student small has 12.5% of the multiply-adds of the ensemble mean: the ensemble mean "
        f"beats the student small by {-100 * lost.value:.2f} points of accuracy "
        f"[{-100 * lost.high:.2f}, {-100 * lost.low:.2f}], 95% interval, p "
    )
    assert rows[1].said.startswith(
        "the student small has 25% of the multiply-adds of the best member a: "
    )


def test_a_further_student_makes_all_corrections_stricter() -> None:
    _, before, _ = found("classes", {n: SKILLS[n] for n in ("a", "b", "mean")}, [])
    _, after, _ = found("classes")
    first, last = (
        {frozenset(pair[:2]): pair for pair in comparison.pairs} for comparison in (before, after)
    )
    for names, pair in first.items():
        assert last[names].p == pair.p
        assert last[names].p_corrected >= pair.p_corrected
    assert after.gain.p == before.gain.p  # what was asked first is asked once


def test_without_students_there_is_nothing_to_say() -> None:
    systems, _, rows = found("classes", {n: SKILLS[n] for n in ("a", "b", "mean")}, [])
    assert rows == []
    assert set(systems) == {"a", "b", "mean"}
    assert np.isfinite(systems["mean"].predictions).all()
