"""What members add: a useful one is shown, and members are added in order of their usefulness."""

import numpy as np
import pytest

from pipeline.core.component import make
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.decisions import Decision, choose
from pipeline.ensembling.folds import folds
from pipeline.ensembling.leave_one_out import practicable_members, without
from pipeline.ensembling.nested import nested, practicable_sizes, usefulness
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth
from pipeline.evaluation import contributions as measured
from pipeline.evaluation.outputs import SystemOutput
from tests.evaluation.systems import KINDS, SCALE, make_evaluator, make_predictions, make_targets

MEMBERS = ["weak", "strong", "noise"]
SKILLS = (1.0, 3.0, 0.3)


def prediction_type(kind) -> PredictionType:
    return PredictionType(kind, SCALE if kind == "values" else ())


def make_val(kind, targets: np.ndarray) -> Validation:
    return Validation(
        prediction_type(kind),
        Truth.plain(targets),
        folds(np.arange(len(targets)), 5, seed=0),
        [make("calibrator", "none")],
        lambda held_out: choose(
            kind,
            held_out,
            Truth.plain(targets),
            goal="half",
            positive=None,
            costs=None,
            coverage=0.9,
        ),
    )


def members_of(kind, targets: np.ndarray, seed: int) -> np.ndarray:
    made = [make_predictions(kind, targets, s, seed + i) for i, s in enumerate(SKILLS)]
    return np.stack(made)


@pytest.mark.parametrize("kind", KINDS)
def test_leaving_out_the_strong_member_costs_most_and_noise_is_no_loss(kind) -> None:
    val_targets, test_targets = make_targets(kind, 300, 1), make_targets(kind, 600, 2)
    predictions, val = members_of(kind, val_targets, 10), make_val(kind, val_targets)
    test = dict(zip(MEMBERS, members_of(kind, test_targets, 20), strict=True))
    method = make("method", "mean")
    whole = fit(method, MEMBERS, predictions, val).combiner
    reduced = without(method, whole, predictions, val, MEMBERS)
    outputs = {
        name: SystemOutput(made := combiner(test), combiner.decision(made))
        for name, combiner in {"": whole, **reduced}.items()
    }
    evaluator = make_evaluator(kind, test_targets)
    found = measured.contributions(evaluator, outputs.pop(""), outputs)
    assert [c.member for c in found] == ["strong", "weak", "noise"]
    sign = 1 if evaluator.headline_metric.higher_is_better else -1
    assert sign * found[0].difference.value > 0
    assert found[0].p < 0.01
    assert sign * found[-1].difference.value < 0


def test_without_a_member_is_the_ensemble_of_the_others() -> None:
    targets = make_targets("classes", 200)
    predictions, val = members_of("classes", targets, 5), make_val("classes", targets)
    method = make("method", "best")
    whole = fit(method, MEMBERS, predictions, val).combiner
    reduced = without(method, whole, predictions, val, ["strong", "weak"])
    assert list(reduced) == ["strong", "weak"]
    assert reduced["strong"].members == ("weak", "noise")
    assert reduced["strong"].without_idle().members == ("weak",)
    assert reduced["weak"].without_idle().members == ("strong",)


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_ordered_by_what_they_add(kind) -> None:
    targets = make_targets(kind, 400)
    predictions = members_of(kind, targets, 7)
    order = usefulness(prediction_type(kind), predictions, Truth.plain(targets))
    assert [MEMBERS[place] for place in order] == ["strong", "weak", "noise"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_is_that_of_a_naive_search(kind) -> None:
    targets, losses = make_targets(kind, 60), prediction_type(kind).losses
    predictions = np.stack([make_predictions(kind, targets, 1.0, seed) for seed in range(5)])
    chosen: list[int] = []
    while len(chosen) < 5:
        left = [i for i in range(5) if i not in chosen]

        def loss(i: int) -> float:
            some = predictions[[*chosen, i]]
            mean = some.mean(axis=0) if kind == "values" else np.log(np.exp(some).mean(axis=0))
            return float(losses(mean, targets).mean())

        chosen.append(min(left, key=loss))
    assert usefulness(prediction_type(kind), predictions, Truth.plain(targets)) == chosen


def test_growing_means_are_means_and_end_with_all_members() -> None:
    targets = make_targets("classes", 100)
    predictions, val = members_of("classes", targets, 3), make_val("classes", targets)
    grown = nested(MEMBERS, predictions, val)
    assert [combiner.members for combiner in grown] == [
        ("strong",), ("strong", "weak"), ("strong", "weak", "noise"),
    ]  # fmt: skip
    made = grown[1](dict(zip(MEMBERS, predictions, strict=True)))
    assert made == pytest.approx(np.log(np.exp(predictions[:2]).mean(axis=0)))


def test_many_members_are_looked_at_in_growing_steps() -> None:
    assert practicable_sizes(np.empty((3, 4, 2))) == ([1, 2, 3], [])
    found, notes = practicable_sizes(np.empty((100, 4, 2)))
    assert found[:11] == [*range(1, 11), 12]
    assert found[-1] == 100
    assert len(found) < 25
    assert notes == []


def test_what_would_take_hours_is_left_out_and_said() -> None:
    """A pool of 20 members over 10,000 samples and 1,000 classes; the memory is never touched."""
    pool, members = np.empty((20, 10_000, 1000)), [f"m{place}" for place in range(20)]
    few, notes = practicable_sizes(pool)
    assert few == [1, 2, 4, 8, 16, 20]
    assert notes == [
        "means were fitted of 1, 2, 4, 8, 16, 20 members: those of 14 sizes would read "
        "1,200,000,000 predicted values, and 1,000,000,000 are the most that end in reasonable time"
    ]
    asked, (note,) = practicable_members(members, pool)
    assert asked == members[:5]
    assert note.startswith("contributions were measured for 5 of 20 members, the most useful ones")
    assert practicable_members(members, pool[:, :5000])[0] == members[:10]
    assert practicable_members(members, pool[:, :100]) == (members, [])


def test_a_size_tells_what_it_lacks() -> None:
    targets = make_targets("classes", 300)
    evaluator = make_evaluator("classes", targets)
    decision = Decision("most_probable")
    made = [make_predictions("classes", targets, skill, 1) for skill in (0.5, 2.0, 2.0)]
    growing = [
        (tuple("abc"[: size + 1]), SystemOutput(p, decision(p))) for size, p in enumerate(made)
    ]
    one, two, three = measured.sizes(evaluator, growing)
    assert (one.num_members, one.added) == (1, "a")
    assert (two.num_members, two.added) == (2, "b")
    assert one.difference.high < 0
    assert two.difference.low < two.difference.value == 0 < two.difference.high
    assert three.difference[:3] == (0, 0, 0)
    assert one.figure.value - three.figure.value == pytest.approx(one.difference.value)


def test_no_contribution_is_measured_where_there_is_no_time_for_one() -> None:
    targets = make_targets("classes", 100)
    made = make_predictions("classes", targets, 1.0, 1)
    whole = SystemOutput(made, Decision("most_probable")(made))
    assert measured.contributions(make_evaluator("classes", targets), whole, {}) == []
