"""Recipes over their seeds, on simulated systems whose recipes are equal, or known to differ."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.recipes import (
    Trained,
    Variance,
    by_recipe,
    difference,
    recipe_figures,
    recipe_pairs,
    recipe_sentence,
    seeds_needed,
    trained,
)
from pipeline.evaluation.significance import holm, mcnemar
from tests.evaluation.systems import KINDS, make_evaluator, make_system, make_targets

NUM_REPEATS, NUM_SAMPLES = 1000, 600
EVALUATOR = make_evaluator("classes", np.zeros(NUM_SAMPLES, int))
MOST = 0.06


def draw(
    num_repeats: int,
    num_seeds: int,
    *,
    luck: float = 0.07,
    gap: float = 0.0,
    taste: float = 0.0,
    num_recipes: int = 2,
    seed: int = 0,
) -> np.ndarray:
    """Whether each system is right: repeats, recipes, seeds, samples.

    A sample has its difficulty, a seed its `luck`, a recipe its `taste` for some of the samples;
    the first recipe is better by `gap`.
    """  # fmt: skip
    rng = np.random.default_rng(seed)
    size = (num_repeats, num_recipes, num_seeds, NUM_SAMPLES)
    level = rng.normal(1.6, 1.0, (num_repeats, 1, 1, NUM_SAMPLES))
    level = level + taste * rng.normal(size=(num_repeats, num_recipes, 1, NUM_SAMPLES))
    level = level + luck * rng.normal(size=(num_repeats, num_recipes, num_seeds, 1))
    level = level + np.array([gap] + [0.0] * (num_recipes - 1))[:, None, None]
    return level + 0.5 * rng.standard_normal(size, np.float32) > 0


def recipe(right: np.ndarray) -> Trained:
    """Seeds by samples; for a mean the samples are their own pseudo-values."""
    return Trained(right.mean(axis=1), right.T.astype(float))


def p_of(first: np.ndarray, second: np.ndarray) -> float:
    return difference(EVALUATOR, recipe(first), recipe(second))[1]


def lonely_p(right: np.ndarray) -> np.ndarray:
    """McNemar's test of the first seed of the first recipe against that of each other recipe."""
    first, others = right[:, :1, 0], right[:, 1:, 0]
    counts = [(a & ~b).sum(axis=-1).astype(float) for a, b in ((first, others), (others, first))]
    return mcnemar(*counts)


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_another_seed_of_the_same_recipe_is_no_difference(num_seeds: int) -> None:
    """Where McNemar's test on one system of each finds one several times too often."""
    right = draw(NUM_REPEATS, num_seeds)
    assert (lonely_p(right) < 0.05).mean() > 0.15
    p = np.array([p_of(*own) for own in right])
    assert 0.01 < (p < 0.05).mean() <= MOST


@pytest.mark.parametrize("luck", [0.0, 0.2])
def test_equally_good_recipes_that_err_on_other_samples_are_no_difference(luck: float) -> None:
    p = np.array([p_of(*own) for own in draw(NUM_REPEATS, 3, luck=luck, taste=0.4)])
    assert 0.02 < (p < 0.05).mean() <= MOST


def test_the_interval_of_a_difference_covers_it() -> None:
    expected = draw(4000, 1, gap=0.15, seed=9).mean(axis=(0, 2, 3))
    covered, widths = [], []
    for first, second in draw(NUM_REPEATS, 3, gap=0.15):
        found, _, _ = difference(EVALUATOR, recipe(first), recipe(second))
        covered.append(found.low <= expected[0] - expected[1] <= found.high)
        widths.append(found.high - found.low)
    assert 0.94 <= np.mean(covered) <= 0.99
    assert np.median(widths) < 0.1


def test_the_interval_of_a_mean_covers_it() -> None:
    expected = draw(4000, 1, seed=9).mean()
    covered = []
    for own, _ in draw(NUM_REPEATS, 3):
        (found,) = recipe_figures(EVALUATOR, {"r": recipe(own)})
        covered.append(found.mean.low <= expected <= found.mean.high)
    assert 0.94 <= np.mean(covered) <= 0.99


def test_an_accuracy_and_its_interval_stay_within_0_and_1() -> None:
    """The line of two seeds that differ a little reaches beyond 1: t has one degree of freedom."""
    right = np.ones((2, NUM_SAMPLES), bool)
    right[0, :2] = right[1, :20] = False
    (found,) = recipe_figures(EVALUATOR, {"r": recipe(right)})
    assert 0 <= found.mean.low < found.mean.value < found.mean.high == 1


def test_as_many_seeds_as_are_called_for_show_the_difference() -> None:
    """The number is estimated from many seeds, and then put to the test."""
    first, second = draw(1, 60, gap=0.18, luck=0.1, seed=3)[0]
    found, _, variance = difference(EVALUATOR, recipe(first), recipe(second))
    num = seeds_needed(found.value, variance, 0.95)
    assert 2 < num < 20
    # New seeds on the same samples: what the plan is for.
    rng = np.random.default_rng(0)
    shown = []
    for _ in range(1000):
        seeds = [rng.choice(60, num, replace=False) for _ in range(2)]
        shown.append(p_of(first[seeds[0]], second[seeds[1]]) < 0.05)
    assert np.mean(shown) > 0.7


def test_no_number_of_seeds_shows_what_the_samples_cannot() -> None:
    variance = Variance((1e-5, 1e-5), (False, False), (2, 2), 1e-4, 300)
    assert seeds_needed(0.005, variance, 0.95) is None
    assert seeds_needed(0.1, variance, 0.95) == 2
    assert seeds_needed(0.0, variance, 0.95) is None


def test_without_sampling_it_is_the_test_of_welch() -> None:
    """On values that all samples share, only the systems vary."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 4), rng.normal(1, 3, 6)
    evaluator = make_evaluator("values", make_targets("values", 50))
    alike = [Trained(own, np.repeat(own[None], 50, axis=0)) for own in (first, second)]
    found, p, variance = difference(evaluator, *alike)
    expected = ttest_ind(first, second, equal_var=False)
    assert p == pytest.approx(expected.pvalue)
    assert variance.training_share == pytest.approx(1)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


@pytest.mark.parametrize("kind", KINDS)
def test_recipes_are_compared_whatever_the_task(kind) -> None:
    targets = make_targets(kind, 400)
    evaluator = make_evaluator(kind, targets)
    recipe_of = {f"{name}_{i}": name for name in ("weak", "strong") for i in range(3)}
    members = {
        name: make_system(kind, targets, 0.7 if recipe == "weak" else 4.0, seed)
        for seed, (name, recipe) in enumerate(recipe_of.items())
    }
    systems = by_recipe(members | {"soup": members["weak_0"]}, recipe_of | {"alone": "weak"})
    found = {name: trained(evaluator, own) for name, own in systems.items()}
    assert [row.recipe for row in recipe_figures(evaluator, found)] == ["strong", "weak"]
    (pair,) = recipe_pairs(evaluator, found)
    expected = [evaluator.measure(members[f"weak_{i}"]).figures[0] for i in range(3)]
    assert found["weak"].values == pytest.approx(expected)
    assert pair.p < 0.001
    said = recipe_sentence(pair, evaluator)
    assert said.startswith("over seeds, recipe strong beats recipe weak by ")
    assert said.endswith("3 and 3 seeds, 400 test samples")


def test_a_sentence_says_how_many_seeds_it_would_take() -> None:
    first, second = draw(1, 3, gap=0.1, luck=0.1, seed=5)[0]
    (pair,) = recipe_pairs(EVALUATOR, {"a": recipe(first), "b": recipe(second)})
    said = recipe_sentence(pair, EVALUATOR)
    assert said.startswith("over seeds, no difference shown between recipe a and recipe b: ")
    assert f"{pair.seeds_needed or 'no number of'} seeds" in said


def test_a_recipe_with_one_seed_says_nothing_about_training() -> None:
    one = SystemOutput(np.zeros((3, 3)), np.zeros(3, int))
    assert list(by_recipe({"a": one, "b": one, "c": one}, {"a": "x", "b": "y", "c": "x"})) == ["x"]
    assert recipe_pairs(EVALUATOR, {}) == []


@pytest.mark.parametrize(("num_states", "uncorrected"), [(5, 0.1), (10, 0.15)])
def test_many_states_that_are_equal_differ_together_at_the_nominal_rate(
    num_states: int, uncorrected: float
) -> None:
    """Each against the first, as `convoy compare` does; without correction it is far too often."""
    right = draw(NUM_REPEATS, 1, luck=0.0, num_recipes=num_states)
    p = lonely_p(right)
    assert ((p < 0.05).any(axis=1)).mean() > uncorrected
    assert np.mean([(holm(own) < 0.05).any() for own in p]) <= MOST
