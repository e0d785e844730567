"""An Optuna study driven from one process; each trial is a process with fixed settings.

Trials are suggested and reported in rounds of `parallel`, so the suggestions do not depend on which
trial ends first: the same parameters give the same study.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pipeline.config.recipes import Choices, Range, Recipe, override
from pipeline.config.types import Value
from pipeline.core.errors import UserError

optuna.logging.set_verbosity(optuna.logging.WARNING)

Settings = dict[str, Value]
Scored = Callable[[list[tuple[int, Settings]]], list[float]]


@dataclass(frozen=True)
class Trial:
    """One set of settings and its value."""

    number: int
    settings: Settings
    value: float
    """The best monitored metric of its epochs; lower is better."""


def search(recipe: Recipe, score: Scored) -> list[Trial]:
    """Run the recipe's study; the first trial uses the recipe as written.

    Args:
        score: returns the value of each trial of a round, in order; called once a round.
    """
    assert recipe.search is not None
    spec = recipe.search
    sampler = optuna.samplers.TPESampler(seed=spec.seed, constant_liar=True)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    study.enqueue_trial(_written(recipe), skip_if_exists=True)
    space = {key: distribution(axis) for key, axis in spec.space.items()}
    trials: list[Trial] = []
    for size in _rounds(spec.num_trials, spec.parallel):
        asked = [study.ask(space) for _ in range(size)]
        values = score([(trial.number, trial.params) for trial in asked])
        for trial, value in zip(asked, values, strict=True):
            study.tell(trial, value)
            trials.append(Trial(trial.number, trial.params, value))
    return trials


def chosen(recipe: Recipe, trials: list[Trial]) -> Recipe:
    """Return the recipe with the best trial's settings, or as written where nothing was searched.

    The result is complete and does not record how it was found: a new search that ends with the
    same settings retrains nothing.

    Raises:
        UserError: every trial has diverged.
    """
    best = min(trials, key=lambda t: t.value, default=None)
    if best and math.isinf(best.value):
        raise UserError("every trial diverged; search lower values of training.lr")
    settings = best.settings if best else {}
    return override(recipe, settings).model_copy(update={"search": None})


def distribution(axis: Range | Choices) -> BaseDistribution:
    if isinstance(axis, Choices):
        return CategoricalDistribution(axis.choices)
    if isinstance(axis.low, int) and isinstance(axis.high, int):
        return IntDistribution(axis.low, axis.high, log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _written(recipe: Recipe) -> Settings:
    """Return the recipe's own values, where they lie within the search space."""
    assert recipe.search is not None
    values = {key: _value(recipe, key) for key in recipe.search.space}
    return {
        key: value
        for key, value in values.items()
        if _within(distribution(recipe.search.space[key]), value)
    }


def _within(axis: BaseDistribution, value: Value) -> bool:
    if isinstance(axis, CategoricalDistribution):
        return value in axis.choices
    assert isinstance(axis, IntDistribution | FloatDistribution)
    return isinstance(value, int | float) and axis.low <= value <= axis.high


def _value(recipe: Recipe, dotted: str) -> Value:
    node = recipe.model_dump()
    for key in dotted.split("."):
        node = node[key]
    return node  # type: ignore[return-value]  # `override` has checked that a value is there


def _rounds(num_trials: int, parallel: int) -> Iterator[int]:
    return (min(parallel, num_trials - start) for start in range(0, num_trials, parallel))
