"""The record of a study: everything that is known of its trials, in an Optuna storage.

Nothing about a trial is kept in memory alone, so a search that was killed goes on from here, and
whatever reads Optuna's storages can show it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any

import optuna
from optuna.storages import BaseStorage, get_storage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import FrozenTrial, TrialState

from pipeline.core.component import retuple
from pipeline.core.errors import UserError
from pipeline.search.bench import DIVERGED, FACTS
from pipeline.search.spec import StudySpec
from pipeline.search.team import Team
from pipeline.search.trial import Trial

# Attributes of the study.
SPACE, MONITOR, CLOCK, PARTS, SAMPLER = "space", "monitor", "clock", "parts", "sampler"
WORKER = "worker"  # an attribute of a trial
KEPT = ("costs", "crashes", "num_decided")
"""What a worker that takes over a trial need not find out again."""
MOST_LOST = 3
"""How many workers may be lost while they run a trial, before it counts as failed."""


class StudyRecord:
    """One study in a storage.

    Args:
        storage: the storage, which may hold other studies.
        where: its name, for errors.
        team: the part that this process takes in the study.

    Raises:
        UserError: the storage has a study of this name over another space.
    """

    def __init__(
        self, storage: BaseStorage, where: str, spec: StudySpec, team: Team | None = None
    ) -> None:
        self._storage, self.team = get_storage(storage), team or Team()  # which caches a database
        self._ended: list[Trial] = []  # those before the first that runs, each read once
        with self.team.alone():
            self._open(where, spec)

    def _open(self, where: str, spec: StudySpec) -> None:
        storage, name = self._storage, self.team.study or spec.name
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=[objective.direction for objective in spec.objectives],
            load_if_exists=True,
        )
        self._study, self._id = study, storage.get_study_id_from_name(name)
        identity = _identity(spec)
        held = study.user_attrs.get(SPACE)
        if held is None:
            study.set_metric_names([objective.metric for objective in spec.objectives])
            study.set_user_attr("recipe", spec.name)
            study.set_user_attr(PARTS, dict(self.team.parts))
            study.set_user_attr(MONITOR, spec.monitor)
            study.set_user_attr(SPACE, identity)
        elif held != identity:
            raise UserError(f"{where}: {_difference(spec.name, held, identity)}")

    @property
    def frozen(self) -> list[FrozenTrial]:
        """All trials as Optuna sees them, by number."""
        return self._storage.get_all_trials(self._id, deepcopy=False)

    @property
    def trials(self) -> list[Trial]:
        """All trials, by number."""
        frozen, ended = self.frozen, self._ended
        for one in frozen[len(ended) :]:
            if not one.state.is_finished():
                break
            ended.append(trial_of(one))
        return [*ended, *map(trial_of, frozen[len(ended) :])]

    @property
    def own(self) -> list[Trial]:
        """The trials of this worker, by number."""
        return [trial for trial in self.trials if trial.worker == self.team.worker]

    @property
    def num_of_others(self) -> int:
        """The number of trials that other workers run."""
        states = (TrialState.RUNNING, TrialState.WAITING)
        there = self._storage.get_all_trials(self._id, deepcopy=False, states=states)
        return sum(frozen.user_attrs.get(WORKER, "") != self.team.worker for frozen in there)

    def trial(self, number: int) -> Trial:
        """Return one trial."""
        return trial_of(self._storage.get_trial(self._trial_id(number)))

    # --- what a worker writes; nothing to a trial that another one has taken over

    def add(self, trial: FrozenTrial) -> None:
        """Add a trial, which gets the next number; alone."""
        if not self.team.is_shared:
            self._storage.create_new_trial(self._id, template_trial=trial)
            return
        waiting = copy(trial)  # which anyone may take, should this worker be lost right here
        waiting.state, waiting.user_attrs = TrialState.WAITING, {**trial.user_attrs, WORKER: ""}
        self._claim(self._storage.create_new_trial(self._id, template_trial=waiting))

    def note(self, number: int, **facts: Any) -> None:
        """Add what is known of a trial that runs."""
        with self._own_id(number) as id_:
            if id_ is not None:
                held = self._storage.get_trial(id_).user_attrs.get(FACTS, {})
                self._storage.set_trial_user_attr(id_, FACTS, {**held, **facts})

    def mark(self, number: int, attributes: Mapping[str, Any]) -> None:
        """Add attributes that Optuna itself reads."""
        with self._own_id(number) as id_:
            if id_ is None:
                return
            for key, value in attributes.items():
                self._storage.set_trial_system_attr(id_, key, value)

    def bound(self, number: int, excesses: Mapping[str, float]) -> None:
        """Add by how much each constraint is broken."""
        with self._own_id(number) as id_:
            if id_ is None:
                return
            open_trial = optuna.Trial(self._study, id_)
            for metric, excess in excesses.items():
                if metric not in open_trial.constraints:
                    open_trial.set_constraint(metric, excess)

    def report(self, number: int, step: int, value: float) -> None:
        """Add an intermediate value."""
        with self._own_id(number) as id_:
            if id_ is not None:
                self._storage.set_trial_intermediate_value(id_, step, value)

    def finish(self, number: int, state: TrialState, values: tuple[float, ...] = ()) -> None:
        """Close a trial; one that is closed stays as it is."""
        with self._own_id(number) as id_:
            if id_ is not None:
                self._storage.set_trial_state_values(id_, state, list(values) or None)

    @contextmanager
    def _own_id(self, number: int) -> Iterator[int | None]:
        """Yield Optuna's id of a trial that this worker may write to, while nobody else may."""
        id_ = self._trial_id(number)
        with self.team.alone():
            trial = self._storage.get_trial(id_)
            is_own = trial.user_attrs.get(WORKER, "") == self.team.worker
            yield id_ if is_own and not trial.state.is_finished() else None

    # --- what a worker does for those that were lost

    def beat(self) -> None:
        """Show that this worker is there."""
        assert isinstance(self._storage, BaseHeartbeat)
        for frozen in self._storage.get_all_trials(self._id, False, (TrialState.RUNNING,)):
            if frozen.user_attrs.get(WORKER) == self.team.worker:
                self._storage.record_heartbeat(frozen._trial_id)

    def take(self) -> int | None:
        """Take over a trial whose worker was lost, from its first epoch; alone.

        Returns:
            Its number; None where there is none.
        """
        if not self.team.is_shared:
            return None
        assert isinstance(self._storage, BaseHeartbeat)
        stale = set(self._storage._get_stale_trial_ids(self._id))
        for frozen in self.frozen:
            is_left = frozen.state == TrialState.WAITING or frozen._trial_id in stale
            if is_left and frozen.user_attrs[WORKER] != self.team.worker:
                known = frozen.user_attrs.get(FACTS, {})
                facts = {key: known[key] for key in KEPT if key in known}
                num_lost = known.get("num_lost", 0) + (frozen.state == TrialState.RUNNING)
                if num_lost > MOST_LOST:
                    facts["errors"] = {0: f"{num_lost} workers were lost while they ran it"}
                facts["num_lost"] = num_lost
                self._storage.set_trial_user_attr(frozen._trial_id, FACTS, facts)
                self._claim(frozen._trial_id)
                return frozen.number
        return None

    def _claim(self, id_: int) -> None:
        """Make a trial this worker's; one that is lost in between leaves it to others."""
        assert isinstance(self._storage, BaseHeartbeat)
        self._storage.record_heartbeat(id_)
        self._storage.set_trial_user_attr(id_, WORKER, self.team.worker)
        if self._storage.get_trial(id_).state == TrialState.WAITING:
            self._storage.set_trial_state_values(id_, TrialState.RUNNING)

    # --- the study

    @property
    def sampler_attributes(self) -> dict[str, Any]:
        """What the samplers of all workers have noted about the study."""
        return dict(self._study.user_attrs.get(SAMPLER, {}))

    @sampler_attributes.setter
    def sampler_attributes(self, attributes: Mapping[str, Any]) -> None:
        if attributes != self.sampler_attributes:
            self._study.set_user_attr(SAMPLER, dict(attributes))

    @property
    def seconds(self) -> float:
        """The time that all sessions have taken, of the worker that began first."""
        attributes = self._study.user_attrs
        return max((v[0] for key, v in attributes.items() if key.startswith(CLOCK)), default=0.0)

    @property
    def rounds(self) -> list[tuple[int, float]]:
        """The epochs and the seconds of each round of fits."""
        found = self._study.user_attrs.get(self._clock, [0.0, []])[1]
        return [(epochs, seconds) for epochs, seconds in found]

    def clock(self, seconds: float, rounds: list[tuple[int, float]]) -> None:
        """Replace both."""
        self._study.set_user_attr(self._clock, [seconds, rounds])

    @property
    def _clock(self) -> str:
        return f"{CLOCK} {self.team.worker}".strip()

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)


def trial_of(frozen: FrozenTrial) -> Trial:
    """Read a trial; JSON has only text as keys, and lists."""
    asked, known = frozen.user_attrs, frozen.user_attrs.get(FACTS, {})
    return Trial(
        number=frozen.number,
        settings=retuple(asked["settings"]),
        # One that waits was claimed by a worker that was lost in the same moment.
        state="RUNNING" if frozen.state == TrialState.WAITING else frozen.state.name,  # type: ignore[arg-type]
        worker=asked.get(WORKER, ""),
        batch=asked["batch"],
        histories=_by_fold(known, "histories"),
        reached=_by_fold(known, "reached"),
        errors=_by_fold(known, "errors"),
        crashes=_by_fold(known, "crashes"),
        costs=known.get("costs", {}),
        is_diverged=known.get(DIVERGED, False),
        num_decided=known.get("num_decided", 0),
        remark=known.get("remark", ""),
        values=tuple(frozen.values or ()),
    )


def _by_fold(known: Mapping[str, Any], name: str) -> dict[int, Any]:
    return {int(fold): fact for fold, fact in known.get(name, {}).items()}


def _identity(spec: StudySpec) -> dict[str, Any]:
    """Return what two sessions of a study have in common, in the types of JSON."""
    told = spec.search.model_dump_json(include={"space", "objectives", "constraints", "folds"})
    found: dict[str, Any] = json.loads(told)
    return found


def _difference(name: str, held: dict[str, Any], wanted: dict[str, Any]) -> str:
    for key, value in wanted.items():
        if held.get(key) != value:
            return (
                f"holds a study of {name} with another {key}, {held.get(key)}; allowed {value}; "
                "name another storage, or start from its trials with warm_start"
            )
    raise AssertionError
