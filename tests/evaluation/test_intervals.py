"""Intervals: the bootstrap as textbooks have it, and the coverage it promises."""

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.special import log_expit, log_softmax
from scipy.stats import binomtest, chi2, norm, t

from pipeline.core.kind import Kind
from pipeline.evaluation.intervals import Bootstrap, draws
from pipeline.evaluation.limits import log_t
from pipeline.evaluation.metrics import Metric, metrics, of_each
from pipeline.evaluation.metrics.metric import mean
from pipeline.evaluation.outputs import SystemOutput
from tests.evaluation.test_metrics import KINDS, MEASURED, measure, sample

LINEAR = ("roc_auc", "average_precision", "mean_average_precision")
BINARY = metrics("classes", 2, num_bins=10, top_k=1, costs=None, positive=None)
SHARE = Metric(lambda outputs, _: outputs.decided[:, None].astype(float), mean, True, "share")
NUM_REPETITIONS = 1000
BAND = 3 * np.sqrt(0.95 * 0.05 / NUM_REPETITIONS)  # three standard errors of a rate of 95 %


def rows(outputs: SystemOutput, places: np.ndarray) -> SystemOutput:
    return outputs._replace(
        predictions=outputs.predictions[places], decided=outputs.decided[places]
    )


def binary(evidence: np.ndarray) -> SystemOutput:
    """Return the output of a system that sees evidence, in log-odds, for the second class."""
    log_probs = log_expit(np.stack([-evidence, evidence], axis=-1))
    return SystemOutput(log_probs, (evidence > 0).astype(int))


def figures(groups: np.ndarray, num_draws: int, own: Any, outputs: SystemOutput, targets) -> Any:
    bootstrap = Bootstrap(groups, np.ones(len(groups)), num_draws, 0.95, seed=0)
    return {n: one.figures for n, one in bootstrap.measure(own, outputs, targets).items()}


def wilson(num_right: int, num: int) -> Any:
    return binomtest(num_right, num).proportion_ci(0.95, method="wilson")


def test_every_draw_counts_as_many_samples_as_there_are() -> None:
    counts = draws(50, 200, seed=0).astype(int)
    assert counts.shape == (200, 50)
    assert (counts.sum(1) == 50).all()
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.05)  # that of a multinomial


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_the_metric_of_the_resampled_samples(kind: Kind) -> None:
    outputs, targets = sample(kind, seed=1)
    own = {n: m for n, m in MEASURED[kind].items() if n not in LINEAR and "calibration" not in n}
    drawn = figures(np.arange(60), 20, own, outputs, targets)
    counts = np.vstack([np.ones((1, 60), int), draws(60, 20, seed=0)])
    for place, row in enumerate(counts):
        places = np.repeat(np.arange(60), row)
        for name, metric in own.items():
            found = measure(metric, rows(outputs, places), targets[places])
            assert drawn[name][place] == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("roc_auc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
    ],
)
@pytest.mark.parametrize("num_true", [20, 150])
def test_linear_draws_vary_as_exact_ones_do(name: str, area, num_true: int) -> None:
    generator = np.random.default_rng(0)
    targets = (np.arange(300) < num_true).astype(int)
    evidence = targets + generator.normal(size=300)
    metric = {name: of_each("classes", 2)[1][name]}
    drawn = figures(np.arange(300), 300, metric, binary(evidence), targets)[name]
    counts = draws(300, 300, seed=0)
    exact = np.array([area(targets, evidence, sample_weight=weights) for weights in counts])
    assert drawn[0] == pytest.approx(area(targets, evidence))
    assert np.corrcoef(drawn[1:], exact)[0, 1] > 0.95
    assert drawn[1:].std() == pytest.approx(exact.std(), rel=0.1)


def test_linear_draws_of_a_calibration_error_are_exact_where_every_bin_is_off() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, 2000)
    outputs = binary(generator.choice([-3.0, -1.0, 1.0, 3.0], 2000))  # sure, and right by chance
    share = np.exp(outputs.predictions.max(axis=1))
    excess = share - (outputs.decided == targets)
    bins = np.floor(share * 10)[:, None] == np.arange(10)
    exact = np.abs(draws(2000, 300, seed=0) @ (bins * excess[:, None])).sum(axis=1) / 2000
    own = {"calibration_error": BINARY["calibration_error"]}
    drawn = figures(np.arange(2000), 300, own, outputs, targets)
    np.testing.assert_allclose(drawn["calibration_error"][1:], exact, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_their_values_and_grow_with_confidence(kind: Kind) -> None:
    outputs, targets = sample(kind, seed=1, size=300)
    wide, narrow = (
        Bootstrap(np.arange(300), np.ones(300), 500, confidence, 0).estimates(
            MEASURED[kind], outputs, targets
        )
        for confidence in (0.95, 0.5)
    )
    for name, estimate in wide.items():
        assert estimate.num_samples == 300
        if name == "interval_width":  # the same for all samples
            assert estimate[:3] == pytest.approx([1.8] * 3)
        elif "calibration" in name:
            assert not estimate.has_interval
        else:
            assert estimate.low < estimate.value < estimate.high
            assert narrow[name].high - narrow[name].low < estimate.high - estimate.low


def expected_log_loss(shift: float, slope: float, noise: float) -> float:
    """Of log-odds `slope * x` where x is normal around ±shift, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    losses = -log_expit(slope * (shift + noise * nodes))
    return float((losses * weights).sum() / weights.sum())


def test_intervals_cover_at_their_nominal_rate() -> None:
    """Two systems see the true class in noise, the second in more of it: truth has a closed form,
    of both and of their difference."""
    generator, num, noise = np.random.default_rng(0), 300, np.sqrt(2)
    truth = {
        "accuracy": (norm.cdf(1), norm.cdf(1 / noise)),
        "roc_auc": (norm.cdf(np.sqrt(2)), norm.cdf(np.sqrt(2) / noise)),
        "log_loss": (expected_log_loss(1, 2, 1), expected_log_loss(1, 1, noise)),
    }
    own = {name: BINARY[name] for name in truth}
    bootstrap = Bootstrap(np.arange(num), np.ones(num), 1000, 0.95, seed=1)
    covered = {name: np.zeros(3) for name in truth}
    for _ in range(NUM_REPETITIONS):
        targets = generator.integers(0, 2, num)
        evidence = 2 * targets - 1 + generator.normal(size=num)
        blurred = evidence + generator.normal(size=num)
        first = bootstrap.measure(own, binary(2 * evidence), targets)
        second = bootstrap.measure(own, binary(blurred), targets)
        for name, (better, worse) in truth.items():
            for place, (estimate, true) in enumerate((
                (bootstrap.estimate(first[name]), better),
                (bootstrap.estimate(second[name]), worse),
                (bootstrap.difference(first[name], second[name]), better - worse),
            )):  # fmt: skip
                covered[name][place] += estimate.low <= true <= estimate.high
    for name, times in covered.items():
        assert (abs(times / NUM_REPETITIONS - 0.95) < BAND).all(), name


def test_groups_cover_where_lone_samples_do_not() -> None:
    """Forty groups of five samples that err together."""
    generator, groups = np.random.default_rng(0), np.repeat(np.arange(40), 5)
    metric, targets = {"mae": MEASURED["values"]["mae"]}, np.zeros((200, 1))
    bootstraps = [Bootstrap(g, np.ones(200), 1000, 0.95, seed=0) for g in (groups, np.arange(200))]
    covered = np.zeros(2)
    for _ in range(NUM_REPETITIONS):
        errors = generator.random(40)[groups] + 0.2 * generator.random(200)
        outputs = SystemOutput(errors[:, None], errors[:, None])
        estimates = [b.estimates(metric, outputs, targets)["mae"] for b in bootstraps]
        covered += [e.low <= 0.6 <= e.high for e in estimates]
    together, alone = covered / NUM_REPETITIONS
    assert abs(together - 0.95) < BAND
    assert alone < 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_copies_in_groups_add_nothing(kind: Kind) -> None:
    outputs, targets = sample(kind, seed=1)
    copied = np.random.default_rng(0).permutation(np.repeat(np.arange(60), 3))
    own = {n: m for n, m in MEASURED[kind].items() if m.interval not in ("share", "agreement")}  # t
    own = {n: m for n, m in own.items() if m.interval != "none"}
    once = Bootstrap(np.arange(60), np.ones(60), 200, 0.95, 0)
    thrice = Bootstrap(np.unique(copied, return_inverse=True)[1], np.ones(180), 200, 0.95, 0)
    expected = once.estimates(own, outputs, targets)
    found = thrice.estimates(own, rows(outputs, copied), targets[copied])
    for name, estimate in expected.items():
        assert found[name][:3] == pytest.approx(estimate[:3], abs=1e-9)
        assert found[name].num_samples == 180


def test_a_system_does_not_differ_from_itself() -> None:
    outputs, targets = sample("classes", seed=2)
    bootstrap = Bootstrap(np.arange(60), np.ones(60), 200, 0.95, 0)
    for one in bootstrap.measure(MEASURED["classes"], outputs, targets).values():
        estimate = bootstrap.difference(one, one)
        assert estimate.value == 0
        assert estimate.low == -estimate.high
        # By chance no sample shows where two shares would differ.
        assert (estimate.high > 0) == (one.interval == "share")


def test_pairing_sees_what_separate_intervals_do_not() -> None:
    """One system is right wherever the other is, and a little more often."""
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, 500)
    right = generator.random(500) < 0.8
    better = right | (generator.random(500) < 0.1)
    base, system = (binary(np.where(r == (targets == 1), 2.0, -2.0)) for r in (right, better))
    bootstrap = Bootstrap(np.arange(500), np.ones(500), 500, 0.95, 0)
    first, second = (bootstrap.measure(BINARY, a, targets)["accuracy"] for a in (base, system))
    assert bootstrap.estimate(second).low < bootstrap.estimate(first).high  # they overlap
    assert bootstrap.difference(second, first).low > 0


def test_a_share_without_exceptions_is_not_sure() -> None:
    """Its interval is Wilson's; of a class, that of its samples; of an area, of the rarer kind."""
    targets = np.repeat([0, 1], [30, 10])
    outputs = binary(np.where(targets == 1, 3.0, -3.0))
    bootstrap = Bootstrap(np.arange(40), np.ones(40), 200, 0.95, 0)
    exact = wilson(40, 40)
    accuracy = bootstrap.estimates(BINARY, outputs, targets)["accuracy"]
    assert accuracy == pytest.approx((1, exact.low, 1, 40))
    recall = bootstrap.estimates(of_each("classes", 2)[1], outputs, targets)["recall"]
    assert recall == pytest.approx((1, wilson(10, 10).low, 1, 10))
    area = bootstrap.estimates(of_each("classes", 2)[1], outputs, targets)["roc_auc"]
    assert area == pytest.approx((1, wilson(10, 10).low, 1, 40))
    assert bootstrap.percentiles(np.ones(201)) == (1, 1, 1, 40)  # no share
    pairs = Bootstrap(np.arange(40) // 2, np.ones(40), 200, 0.95, 0)
    of_pairs = pairs.estimates(BINARY, outputs, targets)["accuracy"]
    assert of_pairs.low == pytest.approx(20 / (20 + t.ppf(0.975, 19) ** 2))


def test_one_sample_gives_a_value() -> None:
    outputs, targets = binary(np.array([3.0])), np.array([1])
    found = Bootstrap(np.arange(1), np.ones(1), 100, 0.95, 0).estimates(BINARY, outputs, targets)
    assert found["accuracy"] == pytest.approx((1, chi2.ppf(0.05, 2) / 2, 1, 1))
    assert not found["log_loss"].has_interval  # of one sample there is none


@pytest.mark.parametrize("num_groups", [1, 2, 3, 6, 7])
def test_groups_that_all_agree_are_not_sure(num_groups: int) -> None:
    """Nine of ten right in each: the draws differ by rounding alone, which is no information."""
    groups = np.repeat(np.arange(num_groups), 10)
    is_right = np.tile(np.arange(10) > 0, num_groups)
    outputs = binary(np.where(is_right, 3.0, -3.0))
    bootstrap = Bootstrap(groups, np.ones(len(groups)), 200, 0.95, 0)
    found = bootstrap.estimates(BINARY, outputs, np.ones(len(groups), int))["accuracy"]
    assert found.low < 0.9 - 0.1 / num_groups
    assert found.high > 0.9 + 0.01


@pytest.mark.parametrize("num_wrong", [1, 3, 40])
def test_the_interval_of_an_accuracy_is_wilsons(num_wrong: int) -> None:
    """One error in 360 gives [0.984, 1.000], where percentiles give [0.992, 1]; the upper limit of
    few errors is Poisson's."""
    targets = np.zeros(360, int)
    outputs = binary(np.where(np.arange(360) < num_wrong, 3.0, -3.0))
    found = Bootstrap(np.arange(360), np.ones(360), 4000, 0.95, 0).estimates(
        BINARY, outputs, targets
    )["accuracy"]
    expected = wilson(360 - num_wrong, 360)
    high = expected.high if num_wrong > 3 else 1 - chi2.ppf(0.05, 2 * num_wrong) / 2 / 360
    assert [found.low, found.high] == pytest.approx([expected.low, high], abs=1e-3)


@pytest.mark.parametrize("accuracy", [0.8, 0.95, 0.99, 0.998])
@pytest.mark.parametrize("num", [100, 360, 2000])
@pytest.mark.parametrize("size", [1, 2])
def test_the_interval_of_an_accuracy_covers(accuracy: float, num: int, size: int) -> None:
    """Also where every image has a copy; discreteness costs most where few errors are due."""
    rng, covered = np.random.default_rng(0), 0
    groups = np.repeat(np.arange(num // size), size)
    bootstrap = Bootstrap(groups, np.ones(len(groups)), 400, 0.95, 0)
    for _ in range(NUM_REPETITIONS):
        is_right = np.repeat(rng.random(num // size) < accuracy, size)
        outputs = SystemOutput(is_right, is_right)
        estimate = bootstrap.estimates({"a": SHARE}, outputs, is_right)["a"]
        covered += estimate.low <= accuracy <= estimate.high
    assert 0.92 < covered / NUM_REPETITIONS < 0.998


def test_the_interval_of_a_paired_difference_covers() -> None:
    """Of two good systems, which often differ on no sample at all."""
    rng, covered, bootstrap = (
        np.random.default_rng(0),
        0,
        Bootstrap(np.arange(360), np.ones(360), 400, 0.95, 0),
    )
    for _ in range(NUM_REPETITIONS):
        kind = rng.random(360)
        first, second = kind > 0.008, (kind > 0.004) & (kind < 0.999)  # 0.992 and 0.995
        drawn = [
            bootstrap.measure({"a": SHARE}, SystemOutput(one, one), one)["a"]
            for one in (first, second)
        ]
        estimate = bootstrap.difference(*drawn)
        covered += estimate.low <= -0.003 <= estimate.high
    assert covered / NUM_REPETITIONS > 0.94


@pytest.mark.parametrize(("size", "num_groups"), [(20, 50), (2, 500)])
def test_the_interval_of_an_accuracy_covers_where_groups_err_together(
    size: int, num_groups: int
) -> None:
    rng, covered = np.random.default_rng(0), 0
    bootstrap = Bootstrap(
        np.repeat(np.arange(num_groups), size), np.ones(size * num_groups), 400, 0.95, 0
    )
    for _ in range(NUM_REPETITIONS):
        is_right = np.repeat(rng.random(num_groups) < 0.998, size)
        outputs = SystemOutput(is_right, is_right)
        estimate = bootstrap.estimates({"a": SHARE}, outputs, is_right)["a"]
        covered += estimate.low <= 0.998 <= estimate.high
    assert 0.93 < covered / NUM_REPETITIONS < 0.998


def losses_of(accuracy: float, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Return log-losses of many samples; `factor` 1 is calibrated, above it overconfident."""
    logits = rng.normal(size=(400_000, 3))
    low, high = 0.1, 1e4
    for _ in range(30):
        middle = (low * high) ** 0.5
        reached = np.exp(log_softmax(logits[:20_000] * middle, axis=1)).max(axis=1).mean()
        low, high = (middle, high) if reached < accuracy else (low, middle)
    log_probs = log_softmax(logits * middle, axis=1)
    cumulative = np.exp(log_probs).cumsum(axis=1)
    targets = (rng.random((len(logits), 1)) > cumulative).sum(axis=1).clip(max=2)
    return -log_softmax(log_probs * factor, axis=1)[np.arange(len(logits)), targets]


@pytest.mark.parametrize("accuracy", [0.8, 0.95, 0.99, 0.998])
@pytest.mark.parametrize("factor", [1.0, 2.5])
@pytest.mark.parametrize("num", [100, 360, 2000])
def test_the_interval_of_a_log_loss_covers_or_is_not_given(
    accuracy: float, factor: float, num: int
) -> None:
    """A rare error may decide the mean: percentiles then cover in 25 to 90 % of test sets."""
    rng = np.random.default_rng(0)
    everything = losses_of(accuracy, factor, rng)
    drawn = rng.choice(everything, (NUM_REPETITIONS, num))
    covered = []
    for losses in drawn:
        error, effective = losses.std() / np.sqrt(num), losses.sum() ** 2 / (losses**2).sum()
        low, high = log_t(losses.mean(), error, effective, 0.95)
        covered.append(np.nan if np.isnan(low) else low <= everything.mean() <= high)
    given = np.isfinite(np.array(covered, float))
    assert 0.92 < np.nanmean(np.array(covered, float)) < 0.99 or given.mean() < 0.9
    assert (np.array(covered, float) == 1).mean() + (~given).mean() > 0.92


@pytest.mark.parametrize("num", [100, 360, 2000])
@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_f1"])
def test_the_interval_of_a_mean_over_classes_covers_where_classes_are_rare(
    name: str, num: int
) -> None:
    """Percentiles cover in 64 to 85 %: all samples of a rare class often agree."""
    rng, shares, recalls = np.random.default_rng(0), (0.9, 0.08, 0.02), (0.99, 0.95, 0.9)
    joint = np.outer(shares, shares) / (1 - np.array(shares))[:, None]
    joint *= (1 - np.array(recalls))[:, None]
    joint[np.diag_indices(3)] = np.array(shares) * recalls
    hits, predicted, true = np.diag(joint), joint.sum(axis=0), joint.sum(axis=1)
    expected = {
        "balanced_accuracy": (hits / true).mean(),
        "macro_f1": (2 * hits / (predicted + true)).mean(),
    }[name]
    own = {name: metrics("classes", 3, num_bins=5, top_k=3, costs=None, positive=None)[name]}
    bootstrap, covered = Bootstrap(np.arange(num), np.ones(num), 300, 0.95, 0), 0
    for _ in range(NUM_REPETITIONS):
        targets, decided = np.divmod(rng.choice(9, num, p=joint.ravel()), 3)
        outputs = SystemOutput(np.zeros((num, 3)), decided)
        estimate = bootstrap.estimates(own, outputs, targets)[name]
        covered += estimate.low <= expected <= estimate.high
    assert 0.91 < covered / NUM_REPETITIONS < 0.99


def test_weights_count_as_copies_would() -> None:
    """Half of the samples count twice, the others not at all."""
    outputs, targets = sample("classes", seed=2)
    weights = np.where(np.arange(60) < 30, 2.0, 0.0)
    weighted = Bootstrap(np.arange(60), weights, 50, 0.95, 0)
    half = SystemOutput(outputs.predictions[:30], outputs.decided[:30])
    alone = Bootstrap(np.arange(30), np.ones(30), 50, 0.95, 0)
    found = weighted.estimates(MEASURED["classes"], outputs, targets)
    expected = alone.estimates(MEASURED["classes"], half, targets[:30])
    assert set(expected) - set(found) == {
        name for name, metric in MEASURED["classes"].items() if not metric.takes_weights
    }
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(expected[name].value)
