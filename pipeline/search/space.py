"""The axes of a search as Optuna's distributions."""

import json
from collections.abc import Iterator

from optuna import Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pipeline.config.recipes import Recipe, override, value_at
from pipeline.config.search import Choices, Range, Setting, Settings, holds, in_order
from pipeline.config.types import Value
from pipeline.core.component import retuple
from pipeline.core.errors import UserError


class SearchSpace:
    """The axes, each one after those of its conditions.

    Optuna knows a choice that is a list by its text.
    """

    def __init__(self, axes: dict[str, Range | Choices]) -> None:
        self._axes = in_order(axes)
        self.distributions = {key: _distribution(axis) for key, axis in self._axes.items()}

    def suggest(self, trial: Trial) -> Settings:
        """Have the sampler set every axis whose conditions hold."""
        found: Settings = {}
        for key, axis in self._axes.items():
            if holds(axis.conditions, found):
                found[key] = _decoded(_suggested(trial, key, self.distributions[key]))
        return found

    def encode(self, settings: Settings) -> dict[str, Value]:
        """Return settings as Optuna knows them."""
        return {key: _encoded(value) for key, value in settings.items()}

    def written(self, recipe: Recipe) -> Settings:
        """Return the recipe's own values, where they lie within the space."""
        found: Settings = {}
        for key, axis in self._axes.items():
            if not holds(axis.conditions, found):
                continue
            try:
                value = value_at(override(recipe, found), key)
            except UserError:
                continue  # the key exists only under a condition that the recipe does not meet
            if self.contains(key, value):
                found[key] = value
        return found

    def contains(self, key: str, value: Setting) -> bool:
        """Return whether a value lies on an axis."""
        axis = self._axes[key]
        if isinstance(axis, Choices):
            return value in axis.choices
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and axis.low <= value <= axis.high  # type: ignore[operator]

    def is_complete(self, settings: Settings) -> bool:
        """Return whether settings set each axis whose conditions hold, and no other."""
        wanted = {k for k, axis in self._axes.items() if holds(axis.conditions, settings)}
        return settings.keys() == wanted and all(self.contains(*item) for item in settings.items())

    def grid(self) -> list[Settings]:
        """Return every combination of choices, the last axis fastest, each once."""
        return list(self._combinations(list(self._axes), {}))

    def _combinations(self, keys: list[str], found: Settings) -> Iterator[Settings]:
        if not keys:
            yield found
            return
        key, *others = keys
        axis = self._axes[key]
        if not holds(axis.conditions, found):
            yield from self._combinations(others, found)
            return
        assert isinstance(axis, Choices)  # the parameters are checked for that
        for value in axis.choices:
            yield from self._combinations(others, {**found, key: value})


def _distribution(axis: Range | Choices) -> BaseDistribution:
    if isinstance(axis, Choices):
        return CategoricalDistribution([_encoded(choice) for choice in axis.choices])
    if axis.is_whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _suggested(trial: Trial, key: str, axis: BaseDistribution) -> Value:
    found: Value
    if isinstance(axis, CategoricalDistribution):
        found = trial.suggest_categorical(key, axis.choices)
    elif isinstance(axis, IntDistribution):
        found = trial.suggest_int(key, axis.low, axis.high, log=axis.log)
    else:
        assert isinstance(axis, FloatDistribution)
        found = trial.suggest_float(key, axis.low, axis.high, log=axis.log)
    return found


LIST = "list "


def _encoded(value: Setting) -> Value:
    return f"{LIST}{json.dumps(value)}" if isinstance(value, tuple) else value


def _decoded(value: Value) -> Setting:
    if isinstance(value, str) and value.startswith(LIST):
        found: Setting = retuple(json.loads(value.removeprefix(LIST)))
        return found
    return value
