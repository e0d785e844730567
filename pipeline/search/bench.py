"""A study in memory, on which samplers and pruners of Optuna see the trials that they should see.

It is built anew for each question, from the record alone. So the answer does not depend on the
session that asks, nor on which fit has ended first. No trial is copied whole, so that is cheap.
"""

import math
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.search.spec import StudySpec

FACTS = "facts"
"""The attribute of a trial that holds what is known of it; each write is flushed to the disk."""
DIVERGED = "diverged"
"""The fact that a trial failed through its settings."""


class Bench:
    """A study of its own.

    Args:
        trials: the trials to be seen, which get the numbers 0, 1, ….
        attributes: what a sampler has noted about the study.
    """

    def __init__(
        self,
        spec: StudySpec,
        trials: Iterable[FrozenTrial],
        sampler: BaseSampler | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self._storage = InMemoryStorage()
        ways = [objective.direction for objective in spec.objectives]
        # Hyperband of Optuna derives brackets from the name.
        self.study = optuna.create_study(
            storage=self._storage, sampler=sampler, study_name="study", directions=ways
        )
        self._id = self._storage.get_study_id_from_name("study")
        for key, value in (attributes or {}).items():
            self._storage.set_study_system_attr(self._id, key, value)
        for trial in trials:
            self._storage.create_new_trial(self._id, template_trial=seen(trial, spec))

    @property
    def attributes(self) -> dict[str, Any]:
        """What the sampler has noted about the study."""
        return dict(self._storage.get_study_system_attrs(self._id))

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, which are only to be read."""
        return self._storage.get_all_trials(self._id, deepcopy=False)


def is_diverged(trial: FrozenTrial) -> bool:
    """Return whether a trial failed through its settings."""
    return bool(trial.user_attrs.get(FACTS, {}).get(DIVERGED))


class _Seen(FrozenTrial):
    """A trial that is copied no further; Optuna replaces its parts and never changes one."""

    def __deepcopy__(self, _: object) -> FrozenTrial:
        return self


def seen(trial: FrozenTrial, spec: StudySpec) -> FrozenTrial:
    """Show a trial, one that diverged as the worst there is.

    A sampler ignores failed trials, and would suggest the same again.
    """
    if isinstance(trial, _Seen):
        return trial
    if trial.state != TrialState.FAIL or not is_diverged(trial):
        shared = copy(trial)
        shared.__class__ = _Seen
        return shared
    has_one_value = len(spec.objectives) == 1 and not spec.search.constraints
    worst = -math.inf if spec.objectives[0].direction == "maximize" else math.inf
    return create_trial(
        state=TrialState.COMPLETE if has_one_value else TrialState.PRUNED,
        values=[worst] if has_one_value else None,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=trial.system_attrs,
    )
