"""What a test set can show, and equivalence: against simulations, closed forms and a paper."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from pipeline.evaluation.intervals import Bootstrap, Measurement
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.metrics.metric import mean
from pipeline.evaluation.power import (
    POWER,
    equivalence,
    of_counts,
    of_shares,
    smallest_difference,
)
from pipeline.evaluation.significance import mcnemar, two_sided

NUM_REPEATS = 2000
NEAR = 0.03
"""Of a share near 0.8 in so many repetitions: more than three standard errors."""
LEVEL, MOST = 0.05, 0.065
"""The nominal level, and three standard errors more."""

RIGHT = Metric(lambda *_: ..., mean, higher_is_better=True, interval="share")
LOSS = Metric(lambda *_: ..., mean, higher_is_better=False)


def alone(num: int) -> np.ndarray:
    return np.arange(num)


def right(counts: tuple[int, int], num: int) -> np.ndarray:
    """Two systems, the first alone right on so many samples, the second on so many others."""
    tables = np.ones((2, num, 1))
    tables[1, : counts[0]] = 0
    tables[0, counts[0] : sum(counts)] = 0
    return tables


def draw(num: int, share: float, difference: float) -> np.ndarray:
    """How many samples only the first, and only the second system is right on, in each test set."""
    ahead = (share + difference) / 2
    shares = [ahead, share - ahead, 1 - share]
    return np.random.default_rng(0).multinomial(num, shares, NUM_REPEATS)[:, :2]


def share(figures: np.ndarray) -> Measurement:
    return Measurement(figures, "share", 1, 1, 0, 1)


@pytest.mark.parametrize(
    ("num", "share_differing"), [(200, 0.1), (365, 0.0), (1000, 0.02), (2000, 0.3)]
)
def test_the_smallest_difference_is_shown_in_80_percent_of_test_sets(num, share_differing) -> None:
    """By the p-value and the interval of a verdict, both of which have to show it."""
    smallest = of_counts(num, share_differing, 0.95)
    counts = draw(num, max(share_differing, smallest), smallest)
    p = mcnemar(*counts.T.astype(float))
    bootstrap = Bootstrap(alone(num), np.ones(num), 200, 0.95, seed=0)
    shown = 0
    different, place = np.unique(counts, axis=0, return_inverse=True)
    for i, (first, second) in enumerate(different):
        # The draws' variance, which is that of the counts but for rounding.
        spread = np.sqrt((first + second) - (first - second) ** 2 / num) / num
        figures = np.concatenate([[0.0], spread * np.tile([-1, 1], 100)])
        figures[0] = (first - second) / num
        found = bootstrap.difference(share(figures), share(np.zeros(201)))
        is_same = place.reshape(-1) == i
        shown += (is_same & (p < LEVEL)).sum() if found.low > 0 else 0
    assert shown / NUM_REPEATS == pytest.approx(POWER, abs=NEAR)


def test_with_no_sample_on_which_two_systems_differ_the_fewest_decide() -> None:
    """Six of six show a difference, so 80 % of test sets must hold six: a Poisson mean of 7.9."""
    assert 1e6 * of_counts(1_000_000, 0.0, 0.95) == pytest.approx(7.906, abs=0.001)
    assert smallest_difference(
        RIGHT, right((0, 0), 365), alone(365), np.ones(365), 0.95
    ) == pytest.approx(7.9 / 365, rel=0.01)
    assert of_counts(4, 0.0, 0.95) is None


def test_more_samples_and_fewer_differing_ones_show_smaller_differences() -> None:
    found = [of_counts(num, 0.1, 0.95) for num in (100, 1000, 10_000)]
    assert found == sorted(found, reverse=True)
    assert found[2] == pytest.approx(2.80 * np.sqrt(0.1 / 10_000), rel=0.02)  # the normal limit
    assert of_counts(1000, 0.01, 0.95) < of_counts(1000, 0.1, 0.95)
    assert of_counts(1000, 0.1, 0.95) < of_counts(1000, 0.1, 0.99)


@pytest.mark.parametrize("num", [8, 100])
def test_the_smallest_difference_of_losses_is_shown_in_80_percent_of_test_sets(num: int) -> None:
    generator = np.random.default_rng(0)
    planned = generator.normal(size=(2, num, 1))
    smallest = smallest_difference(LOSS, planned, alone(num), np.ones(num), 0.95)
    spread = (planned[0] - planned[1]).std(ddof=1)
    found = two_sided(generator.normal(smallest, spread, (num, NUM_REPEATS)))
    assert (found < LEVEL).mean() == pytest.approx(POWER, abs=NEAR)


def test_groups_are_the_units_of_what_can_be_shown() -> None:
    """Ten copies of each of forty samples show what the forty do."""
    rows, groups = np.random.default_rng(0).normal(size=(2, 40, 1)), np.repeat(alone(40), 10)
    copies = np.repeat(rows, 10, axis=1)
    once = smallest_difference(LOSS, rows, alone(40), np.ones(40), 0.95)
    assert smallest_difference(LOSS, copies, groups, np.ones(len(groups)), 0.95) == pytest.approx(
        once
    )
    assert equivalence(LOSS, copies, groups, np.ones(len(groups)), 0.3) == pytest.approx(
        equivalence(LOSS, rows, alone(40), np.ones(40), 0.3)
    )


def test_few_groups_that_differ_show_no_small_difference() -> None:
    """One group of fifty differs; six of one sign would be needed, as `two_sided` has it."""
    groups = np.repeat(alone(50), 4)
    tables = right((4, 0), 200)
    assert smallest_difference(RIGHT, tables, groups, np.ones(len(groups)), 0.95) >= 7.9 / 50


def test_two_systems_of_equal_loss_show_nothing() -> None:
    tables = np.full((2, 30, 1), 0.5)
    assert smallest_difference(LOSS, tables, alone(30), np.ones(30), 0.95) is None
    assert equivalence(LOSS, tables, alone(30), np.ones(30), 0.1) == 0


@pytest.mark.parametrize("num", [100, 365, 1000, 10_000])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05])
def test_systems_that_differ_by_the_margin_are_called_equivalent_at_the_nominal_rate(
    num: int, margin: float
) -> None:
    for times in (1, 1.5, 2, 4, 8):  # of the margin: how often the two differ
        for sign in (1, -1):
            counts = draw(num, times * margin, sign * margin).T.astype(float)
            assert (of_shares(*counts, num, margin) < LEVEL).mean() < MOST


def test_equal_systems_are_called_equivalent_where_the_samples_suffice() -> None:
    counts = draw(10_000, 0.02, 0.0).T.astype(float)
    assert (of_shares(*counts, 10_000, 0.01) < LEVEL).mean() > 0.99
    assert (of_shares(*draw(365, 0.02, 0.0).T.astype(float), 365, 0.01) < LEVEL).mean() < 0.05


def test_the_score_is_that_of_the_paper() -> None:
    """Miyanaga, 1994, in Tango, 1998, section 5: 43, 0, 1 and 0 of 44, and a margin of 0.1."""
    correction = 0.5 / np.sqrt(44 * 0.1 * 0.9)
    p = of_shares(np.array([0.0]), np.array([1.0]), 44, 0.1)
    assert norm.isf(p) + correction == pytest.approx(1.709, abs=5e-4)


def test_losses_are_equivalent_by_two_one_sided_tests() -> None:
    tables = np.random.default_rng(0).normal(size=(2, 50, 1))
    own = (tables[0] - tables[1])[:, 0]
    sides = [
        ttest_1samp(own, -0.5, alternative="greater").pvalue,
        ttest_1samp(own, 0.5, alternative="less").pvalue,
    ]
    assert equivalence(LOSS, tables, alone(50), np.ones(50), 0.5) == pytest.approx(max(sides))
