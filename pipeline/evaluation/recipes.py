"""Recipes compared over their seeds: with the variance of training as well as that of sampling.

Two networks of one recipe differ, since each seed trains another one. McNemar's test takes them as
given, so between recipes it finds differences that the next seed turns round. Here systems are a
random sample of what a recipe trains, crossed with the test samples: the mean of a recipe varies
with the systems drawn and with the samples drawn, and the two variances are estimated apart (D.
Dorfman, K. Berbaum and C. Metz, Receiver Operating Characteristic Rating Analysis, 1992; N.
Obuchowski and H. Rockette, 1995), with the degrees of freedom of Satterthwaite and systems nested
in recipes (S. Hillis, A Comparison of Denominator Degrees of Freedom Methods for Multiple Observer
ROC Analysis, 2007). All networks learned from one training set: what another would change is not
in the interval.
"""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.power import POWER
from pipeline.evaluation.significance import holm, pseudo_values
from pipeline.evaluation.verdict import is_shown, positive, shown_p, sized

MOST_SEEDS = 1000
"""No more seeds than these are called for."""


class Trained(NamedTuple):
    """Several systems that one recipe trained, by the headline metric."""

    values: Float[np.ndarray, " j"]
    """The metric of each system."""
    pseudo: Float[np.ndarray, "g j"]
    """What each group of samples contributes to it."""

    @property
    def num_seeds(self) -> int:
        return len(self.values)

    @property
    def training(self) -> float:
        """The variance from one system to another, on these samples.

        Few systems may agree by chance, but no less than their noise allows.
        """
        return max(float(self.values.var(ddof=1)), self.noise)

    @property
    def noise(self) -> float:
        """The part of that variance that other samples would not repeat."""
        centred = self.pseudo - self.pseudo.mean(axis=0)
        residual = centred - centred.mean(axis=1, keepdims=True)
        free = (len(centred) - 1) * (self.num_seeds - 1)
        return float((residual**2).sum() / free / len(centred))


class Variance(NamedTuple):
    """The variance of a mean over seeds, or of the difference between two."""

    training: tuple[float, ...]
    """The variance from one system to another, for each recipe."""
    is_noise: tuple[bool, ...]
    """Whether that variance is no more than the systems' noise, which all samples estimate."""
    num_seeds: tuple[int, ...]
    sampling: float
    num_groups: int

    @property
    def total(self) -> float:
        return self._of_training + self.sampling

    @property
    def training_share(self) -> float:
        """The share of the variance that more seeds would reduce."""
        return self._of_training / self.total if self.total else 0.0

    @property
    def freedom(self) -> float:
        """Satterthwaite's degrees of freedom."""
        parts = [
            (v / n, (n - 1) * (self.num_groups - 1 if is_noise else 1))
            for v, n, is_noise in zip(self.training, self.num_seeds, self.is_noise, strict=True)
        ]
        spread = sum(v**2 / df for v, df in [*parts, (self.sampling, self.num_groups - 1)])
        return max(self.total**2 / spread, 1.0) if spread else float(self.num_groups - 1)

    @property
    def _of_training(self) -> float:
        return sum(v / n for v, n in zip(self.training, self.num_seeds, strict=True))

    def with_seeds(self, num: int) -> "Variance":
        """Return what the variance would be with so many seeds of each recipe."""
        return self._replace(num_seeds=(num,) * len(self.training))


class RecipeFigure(NamedTuple):
    """One recipe over its seeds."""

    recipe: str
    num_seeds: int
    mean: Estimate
    """The mean over the seeds; the interval is for the mean over all seeds and samples."""
    std: float
    """The standard deviation over the seeds."""


class RecipePair(NamedTuple):
    """The difference between two recipes."""

    first: str
    second: str
    num_seeds: str
    """The number of seeds of the first and of the second."""
    difference: Estimate
    """The mean of the first over its seeds, minus that of the second."""
    p: float
    p_corrected: float
    """The p-value corrected for all pairs that were compared."""
    training_share: float
    """The share of the variance that comes from training, and that more seeds would reduce."""
    seeds_needed: int | None
    """The seeds of each recipe with which a difference of this size would be shown in 80 % of
    cases; None where no number would on so few test samples."""


def trained(evaluator: Evaluator, systems: list[SystemOutput]) -> Trained:
    """Measure the systems of one recipe."""
    metric, weights = evaluator.headline_metric, evaluator.weights
    tables = [evaluator.table(outputs) for outputs in systems]
    sums, num = [weights[None] @ table for table in tables], weights.sum(keepdims=True)
    values = np.concatenate([metric.value(own, num) for own in sums])
    pseudo = np.stack(
        [pseudo_values(metric, table, evaluator.groups, weights) for table in tables], axis=1
    )
    return Trained(values, pseudo)


def by_recipe(
    members: Mapping[str, SystemOutput], recipe_of: Mapping[str, str]
) -> dict[str, list[SystemOutput]]:
    """Return the systems of each recipe that has two seeds or more."""
    recipes: dict[str, list[SystemOutput]] = {}
    for name, outputs in members.items():
        if name in recipe_of:  # a soup has no recipe
            recipes.setdefault(recipe_of[name], []).append(outputs)
    return {recipe: systems for recipe, systems in recipes.items() if len(systems) > 1}


def recipe_figures(evaluator: Evaluator, recipes: Mapping[str, Trained]) -> list[RecipeFigure]:
    """Return each recipe's mean and standard deviation over its seeds, the best first."""
    found = []
    for recipe, own in recipes.items():
        mean = _estimate(evaluator, float(own.values.mean()), _variance(evaluator, own), low=0.0)
        found.append(RecipeFigure(recipe, own.num_seeds, mean, float(own.values.std(ddof=1))))
    sign = 1 if evaluator.headline_metric.higher_is_better else -1
    return sorted(found, key=lambda row: -sign * row.mean.value)


def recipe_pairs(
    evaluator: Evaluator,
    recipes: Mapping[str, Trained],
    asked: list[tuple[str, str]] | None = None,
) -> list[RecipePair]:
    """Compare recipes over their seeds.

    Args:
        asked: the pairs to compare; None for each pair once.
    """
    pairs = list(combinations(recipes, 2)) if asked is None else asked
    made = [difference(evaluator, recipes[first], recipes[second]) for first, second in pairs]
    corrected = holm(np.array([p for _, p, _ in made])) if made else ()
    return [
        RecipePair(
            first, second, f"{recipes[first].num_seeds} and {recipes[second].num_seeds}",
            found, p, float(all_p), variance.training_share,
            seeds_needed(found.value, variance, evaluator.confidence),
        )
        for (first, second), (found, p, variance), all_p in zip(pairs, made, corrected, strict=True)
    ]  # fmt: skip


def difference(
    evaluator: Evaluator, first: Trained, second: Trained
) -> tuple[Estimate, float, Variance]:
    """Return the first mean minus the second, the p-value of no difference, and the variance."""
    value, variance = (
        float(first.values.mean() - second.values.mean()),
        _variance(evaluator, first, second),
    )
    if variance.total == 0:
        return Estimate(value, value, value, len(evaluator.ids)), float(value == 0), variance
    p = 2 * scipy.stats.t.sf(abs(value) / variance.total**0.5, variance.freedom)
    return _estimate(evaluator, value, variance, low=-1.0), float(p), variance


def seeds_needed(value: float, variance: Variance, confidence: float) -> int | None:
    """Return with how many seeds of each recipe a difference of `value` is shown with POWER."""

    def is_enough(num: int) -> bool:
        own = variance.with_seeds(num)
        far = float(scipy.stats.t.ppf([(1 + confidence) / 2, POWER], own.freedom).sum())
        return bool(abs(value) >= far * own.total**0.5 > 0)

    numbers = range(2, MOST_SEEDS + 1)
    place = bisect_left(numbers, x=True, key=is_enough)
    return numbers[place] if place < len(numbers) else None


def recipe_sentence(pair: RecipePair, evaluator: Evaluator) -> str:
    """State which recipe is better, whatever the seed; or what it would take to know."""
    found, confidence = pair.difference, evaluator.confidence
    rests_on = f"{pair.num_seeds} seeds, {found.num_samples:,} test samples"
    sure = f"{confidence:.0%} interval, {shown_p(pair.p_corrected)}, {rests_on}"
    if is_shown(found, pair.p_corrected, confidence):
        is_better = (found.value > 0) == evaluator.headline_metric.higher_is_better
        names = (pair.first, pair.second) if is_better else (pair.second, pair.first)
        size = sized(positive(found), evaluator, "")
        return f"over seeds, recipe {names[0]} beats recipe {names[1]} by {size}, {sure}"
    size, num = sized(found, evaluator, "+"), pair.seeds_needed
    needed = f"{num} seeds of each" if num else "no number of seeds on these test samples"
    return (
        f"over seeds, no difference shown between recipe {pair.first} and recipe {pair.second}: "
        f"{size}, {sure}; {needed} would show a difference of this size in {POWER:.0%} of cases"
    )


def _variance(evaluator: Evaluator, first: Trained, second: Trained | None = None) -> Variance:
    """Return the variance of a recipe's mean over its seeds, or of the difference of two."""
    parts = [first] if second is None else [first, second]
    means = [own.pseudo.mean(axis=1) for own in parts]
    over_samples = means[0] if second is None else means[0] - means[1]
    num = len(over_samples)
    noise = sum(own.noise / own.num_seeds for own in parts)
    # Samples on which systems would differ and by chance did not: see Bootstrap.difference.
    unseen = 2 / num**2 if evaluator.headline_metric.share_of else 0.0
    sampling = max(float(over_samples.var(ddof=1)) / num - noise, 0.0) + unseen
    seeds = tuple(own.num_seeds for own in parts)
    training = tuple(own.training for own in parts)
    is_noise = tuple(own.training == own.noise for own in parts)
    return Variance(training, is_noise, seeds, sampling, num)


def _estimate(evaluator: Evaluator, value: float, variance: Variance, low: float) -> Estimate:
    quantile = scipy.stats.t.ppf((1 + evaluator.confidence) / 2, variance.freedom)
    reach = variance.total**0.5 * quantile
    ends = value - reach, value + reach
    if evaluator.headline_metric.interval == "share":
        ends = max(low, ends[0]), min(1.0, ends[1])
    return Estimate(value, float(ends[0]), float(ends[1]), len(evaluator.ids))
