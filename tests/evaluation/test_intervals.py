"""Intervals: the bootstrap as textbooks have it, and the coverage it promises."""

import numpy as np
import pytest

from pipeline.evaluation.compare import compare
from pipeline.evaluation.intervals import Bootstrap, draws
from pipeline.evaluation.metrics import metrics
from pipeline.tasks.multiclass import predictions as log_probs
from tests.evaluation.test_metrics import measure, predictions

METRICS = metrics(num_bins=10)


def test_every_draw_counts_as_many_samples_as_there_are() -> None:
    counts = draws(50, 200, seed=0)
    assert counts.shape == (200, 50)
    assert (counts.sum(1) == 50).all()
    assert abs(counts.mean() - 1) < 1e-12
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.05)  # that of a multinomial


@pytest.mark.parametrize("name", METRICS)
def test_a_draw_is_the_metric_of_the_resampled_samples(name: str) -> None:
    table, targets = predictions(0)
    metric, counts = METRICS[name], draws(len(targets), 20, seed=0)
    drawn = metric.value(counts @ metric.statistics(table, targets), len(targets))
    for row, value in zip(counts, drawn, strict=True):
        rows = np.repeat(np.arange(len(targets)), row)
        assert value == pytest.approx(measure(name, table[rows], targets[rows]), abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_the_interval_holds_the_value_and_its_size(name: str) -> None:
    table, targets = predictions(1, size=300)
    estimate = Bootstrap(targets, 500, 0.95, seed=0).estimate(METRICS[name], table)
    assert estimate.value == pytest.approx(measure(name, table, targets))
    assert estimate.low < estimate.high
    assert estimate.num_samples == 300
    narrow = Bootstrap(targets, 500, 0.5, seed=0).estimate(METRICS[name], table)
    assert narrow.high - narrow.low < estimate.high - estimate.low


def test_accuracy_intervals_cover_at_their_nominal_rate() -> None:
    generator, truth, covered = np.random.default_rng(0), 0.8, 0
    for seed in range(400):
        correct = generator.random(200) < truth
        table = np.log(np.where(correct[:, None], [0.9, 0.1], [0.1, 0.9]))
        bootstrap = Bootstrap(np.zeros(200, np.int64), 300, 0.9, seed)
        estimate = bootstrap.estimate(METRICS["accuracy"], table)
        covered += estimate.low <= truth <= estimate.high
    assert 0.85 < covered / 400 < 0.95  # 90 %, give or take three standard errors


def test_a_system_does_not_differ_from_itself() -> None:
    table, targets = predictions(2)
    estimate = Bootstrap(targets, 200, 0.95, 0).difference(METRICS["log_loss"], table, table)
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)


def test_pairing_sees_what_separate_intervals_do_not() -> None:
    """One system is right wherever the other is, and a little more often."""
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, 500)
    right = generator.random(500) < 0.8
    better = right | (generator.random(500) < 0.1)
    base, system = (
        log_probs(np.where(r[:, None] == (targets[:, None] == [0, 1]), 2.0, 0.0))
        for r in (right, better)
    )
    bootstrap = Bootstrap(targets, 500, 0.95, 0)
    first, second = (bootstrap.estimate(METRICS["accuracy"], t) for t in (base, system))
    assert second.low < first.high  # the intervals overlap
    assert bootstrap.difference(METRICS["accuracy"], system, base).low > 0


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (0.1, "mean beats a"),
        (-0.1, "a beats mean"),
        (0.001, "no difference shown between mean and a"),
        (0.0, "mean answers as a alone does"),
    ],
)
def test_the_verdict_says_who_is_better(gain: float, verdict: str) -> None:
    targets = np.zeros(1000, np.int64)
    accuracies = {"a": 0.7, "mean": 0.7 + gain}
    systems = {
        name: np.log(np.where(np.arange(1000)[:, None] < 1000 * share, [0.9, 0.1], [0.1, 0.9]))
        for name, share in accuracies.items()
    }
    comparison = compare(
        systems, targets, METRICS, chosen="mean", best_member="a",
        num_bootstrap=300, confidence=0.95, seed=0,
    )  # fmt: skip
    assert comparison.verdict.startswith(verdict)
    assert "1,000 test samples" in comparison.verdict
