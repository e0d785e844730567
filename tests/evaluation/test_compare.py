"""Systems against each other: known differences are shown, chance is not, equals are told so."""

import json
from itertools import combinations

import numpy as np
import pytest

from pipeline.evaluation.comparison import compare
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.power import Resolution
from pipeline.evaluation.verdict import Contrast, sentence, shown_p
from tests.evaluation.systems import (
    KINDS,
    answer,
    make_evaluator,
    make_predictions,
    make_system,
    make_targets,
)


def right_on(share: float, targets: np.ndarray) -> SystemOutput:
    """Right on the first part of the samples, and wrong on the rest."""
    is_right = np.arange(len(targets)) < share * len(targets)
    decided = np.where(is_right, targets, (targets + 1) % 3)
    return SystemOutput(np.log(np.full((len(targets), 3), 0.1) + 0.7 * np.eye(3)[decided]), decided)


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (0.1, "the ensemble mean beats the best member a by 10.00 points of accuracy [8."),
        (-0.1, "the best member a beats the ensemble mean by 10.00 points of accuracy [8."),
        (
            0.001,
            "the ensemble mean and the best member a are equivalent within ±1.00 points of "
            "accuracy: +0.10 points",
        ),
        (
            0.0,
            "the ensemble mean and the best member a make the same decisions on all 1,000 test "
            "samples",
        ),
    ],
)
def test_the_verdict_says_who_is_better(gain: float, verdict: str) -> None:
    targets = make_targets("classes", 1000)
    systems = {"a": right_on(0.7, targets), "mean": right_on(0.7 + gain, targets)}
    comparison = compare(
        make_evaluator("classes", targets), systems, chosen="mean", best_member="a"
    )
    assert comparison.verdict.startswith(verdict)
    assert "1,000 test samples" in comparison.verdict
    assert comparison.verdict.endswith("for these trained systems") == (gain != 0)
    if gain > 0.01:
        assert "33% less error [2" in comparison.verdict
        assert "95% interval, p < 0.001" in comparison.verdict


def test_the_verdict_on_few_samples_says_what_they_could_show() -> None:
    """Two of two hundred are no difference, and too many to be sure of one point."""
    targets = make_targets("classes", 200)
    systems = {"a": right_on(0.7, targets), "mean": right_on(0.71, targets)}
    comparison = compare(
        make_evaluator("classes", targets), systems, chosen="mean", best_member="a"
    )
    assert comparison.verdict.startswith(
        "no difference shown between the ensemble mean and the best member a: +1.00 points"
    )
    assert comparison.resolved == (
        "with these 200 test samples, a true difference of 3.92 points of accuracy is detected in "
        "80% of cases, a smaller one less often; that the two are equivalent within ±1.00 points "
        "of accuracy is not shown"
    )


def test_a_shown_difference_may_be_smaller_than_what_matters() -> None:
    targets = make_targets("classes", 5000)
    systems = {"a": right_on(0.7, targets), "mean": right_on(0.702, targets)}
    verdict = compare(
        make_evaluator("classes", targets), systems, chosen="mean", best_member="a"
    ).verdict
    assert verdict.startswith("the ensemble mean beats the best member a by 0.20 points of")
    assert "yet they are equivalent within ±1.00 points of accuracy" in verdict


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_of_two_beats_both_whatever_the_task(kind) -> None:
    targets = make_targets(kind, 800)
    parts = [make_predictions(kind, targets, 1.0, seed) for seed in (1, 2)]
    systems = {name: answer(kind, part) for name, part in zip("ab", parts, strict=True)}
    systems["mean"] = answer(kind, np.mean(parts, axis=0))
    comparison = compare(make_evaluator(kind, targets), systems, chosen="mean", best_member="a")
    assert comparison.verdict.startswith("the ensemble mean beats the best member a by ")
    gain = comparison.gain
    assert gain.error_reduction
    assert 0.05 < gain.error_reduction.low < gain.error_reduction.high < 1
    better = comparison.systems["mean"]
    for name, own in comparison.systems["a"].items():
        if name not in gain.differences:
            assert not own.has_interval  # nor is there one of the difference
            continue
        assert gain.differences[name].value == pytest.approx(better[name].value - own.value)


def test_values_are_told_in_their_units() -> None:
    targets = make_targets("values", 500)
    systems = {
        "a": make_system("values", targets, 1.0, 1),
        "b": make_system("values", targets, 2.0, 2),
    }
    comparison = compare(make_evaluator("values", targets), systems, chosen="b", best_member="a")
    assert " of rmse [" in comparison.verdict
    assert "points" not in comparison.verdict


def test_an_interval_or_a_p_alone_shows_nothing() -> None:
    targets = make_targets("classes", 100)
    evaluator = make_evaluator("classes", targets)

    def told(low: float, p: float) -> str:
        found = {"accuracy": Estimate(0.01, low, 0.02, 100)}
        unknown = Resolution(0.02, None, None)
        gain = Contrast("x", "y", found, None, p, is_same=False, resolution=unknown)
        return sentence(gain, evaluator, "x", "y")

    assert told(0.001, 0.01).startswith("x beats y by 1.00 points of accuracy [0.10, 2.00], 95%")
    assert told(0.001, 0.06).startswith("no difference shown")
    assert told(-0.001, 0.01).startswith("no difference shown")


def test_no_reduction_of_an_error_that_is_not_there() -> None:
    targets = make_targets("classes", 50)
    systems = {"a": right_on(1.0, targets), "mean": right_on(0.5, targets)}
    comparison = compare(
        make_evaluator("classes", targets), systems, chosen="mean", best_member="a"
    )
    assert comparison.gain.error_reduction is None
    assert comparison.verdict.startswith("the best member a beats the ensemble mean")


def test_every_pair_is_compared_once_and_corrected_for_all() -> None:
    targets = make_targets("classes", 300)
    shares = {"a": 0.6, "b": 0.61, "c": 0.9}
    systems = {name: right_on(share, targets) for name, share in shares.items()}
    pairs = compare(make_evaluator("classes", targets), systems, chosen="c", best_member="b").pairs
    assert [(pair.first, pair.second) for pair in pairs] == list(combinations("abc", 2))
    for pair in pairs:
        assert pair.difference.value == pytest.approx(shares[pair.first] - shares[pair.second])
        assert pair.difference.low <= pair.difference.value <= pair.difference.high
        assert pair.p <= pair.p_corrected <= 3 * pair.p + 1e-12
    assert [pair.p_corrected < 0.05 for pair in pairs] == [False, True, True]


def test_grouped_samples_are_compared_by_group() -> None:
    """Ten copies of fifty samples show no more than the fifty do."""
    targets = make_targets("classes", 50)
    system, other = (
        make_system("classes", targets, skill, seed) for skill, seed in ((1, 1), (2, 2))
    )
    once = compare(
        make_evaluator("classes", targets), {"a": system, "b": other}, chosen="b", best_member="a"
    )
    rows = np.repeat(np.arange(50), 10)
    copies = {
        name: SystemOutput(a.predictions[rows], a.decided[rows])
        for name, a in (("a", system), ("b", other))
    }
    grouped = make_evaluator("classes", targets[rows], groups=rows)
    many = compare(grouped, copies, chosen="b", best_member="a")
    assert many.gain.p == pytest.approx(once.gain.p, abs=0.05)
    width, expected = (
        found.gain.differences["accuracy"].high - found.gain.differences["accuracy"].low
        for found in (many, once)
    )
    assert width == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_comparison_is_valid_json_and_names_every_metric(kind) -> None:
    """Also one that the samples do not define, such as an area under a curve with one class."""
    targets = np.zeros(40, int) if kind == "classes" else make_targets(kind, 40)
    systems = {name: make_system(kind, targets, 1.0, seed) for seed, name in enumerate("ab")}
    evaluator = make_evaluator(kind, targets)
    tree = compare(evaluator, systems, chosen="b", best_member="a").as_json(evaluator)
    assert json.loads(json.dumps(tree, allow_nan=False)) == tree
    for figures in tree["systems"].values():
        assert list(figures) == list(evaluator.metrics)
        assert all(figure["num_samples"] == 40 for figure in figures.values())
    if kind == "classes":
        assert tree["systems"]["a"]["roc_auc"]["value"] is None


def test_p_is_shown_as_readers_expect() -> None:
    assert [shown_p(p) for p in (0.0342, 0.00094, 1.0)] == ["p = 0.034", "p < 0.001", "p = 1.000"]
