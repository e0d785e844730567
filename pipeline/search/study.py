"""An Optuna study that is driven from one process; a trial is a process on fixed settings.

Trials are asked for and told in rounds of `parallel`, so the suggestions do not depend on which
trial ends first: the same parameters give the same study.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pipeline.params import Choices, Range, Recipe, Value, override

optuna.logging.set_verbosity(optuna.logging.WARNING)

Settings = dict[str, Value]
Scored = Callable[[list[tuple[int, Settings]]], list[float]]


@dataclass(frozen=True)
class Trial:
    """One set of settings and what it reached."""

    number: int
    settings: Settings
    value: float
    """The best figure of its epochs; lower is better."""


def search(recipe: Recipe, score: Scored) -> list[Trial]:
    """Run the recipe's study; the first trial is the recipe as it is written.

    Args:
        score: the value of each of a round's trials, in order; called once a round.
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
    """The recipe with the best trial's settings; as it is written where nothing was searched.

    It is complete and no longer says how it was found: a new search that ends with the same
    settings retrains nothing.
    """
    settings = min(trials, key=lambda t: t.value).settings if trials else {}
    return override(recipe, settings).model_copy(update={"search": None})


def distribution(axis: Range | Choices) -> BaseDistribution:
    if isinstance(axis, Choices):
        return CategoricalDistribution(axis.choices)
    if isinstance(axis.low, int) and isinstance(axis.high, int):
        return IntDistribution(axis.low, axis.high, log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _written(recipe: Recipe) -> Settings:
    """The recipe's own values, where they lie within the space."""
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
