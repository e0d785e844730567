"""The record of a study: everything that is known of its trials, in an Optuna storage.

Nothing about a trial is kept in memory alone, so a search that was killed goes on from here, and
whatever reads Optuna's storages can show it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from pipeline.core.component import retuple
from pipeline.core.errors import UserError
from pipeline.search.bench import DIVERGED, FACTS
from pipeline.search.spec import StudySpec
from pipeline.search.trial import Trial

SPACE, CLOCK = "space", "clock"  # attributes of the study


class StudyRecord:
    """One study in a storage.

    Args:
        storage: the storage, which may hold other studies.
        where: its name, for errors.

    Raises:
        UserError: the storage has a study of this name over another space.
    """

    def __init__(self, storage: BaseStorage, where: str, spec: StudySpec) -> None:
        self._storage = storage
        study = optuna.create_study(
            storage=storage,
            study_name=spec.name,
            directions=[objective.direction for objective in spec.objectives],
            load_if_exists=True,
        )
        self._study, self._id = study, storage.get_study_id_from_name(spec.name)
        identity = _identity(spec)
        held = study.user_attrs.get(SPACE)
        if held is None:
            study.set_user_attr(SPACE, identity)
            study.set_metric_names([objective.metric for objective in spec.objectives])
        elif held != identity:
            raise UserError(f"{where}: {_difference(spec.name, held, identity)}")

    @property
    def frozen(self) -> list[FrozenTrial]:
        """All trials as Optuna sees them, by number."""
        return self._storage.get_all_trials(self._id, deepcopy=False)

    @property
    def trials(self) -> list[Trial]:
        """All trials, by number."""
        return [_trial(one) for one in self.frozen]

    def trial(self, number: int) -> Trial:
        """Return one trial."""
        return _trial(self._storage.get_trial(self._trial_id(number)))

    def add(self, trial: FrozenTrial) -> None:
        """Add a trial, which gets the next number."""
        self._storage.create_new_trial(self._id, template_trial=trial)

    def note(self, number: int, **facts: Any) -> None:
        """Add what is known of a trial that runs."""
        id_ = self._trial_id(number)
        held = self._storage.get_trial(id_).user_attrs.get(FACTS, {})
        self._storage.set_trial_user_attr(id_, FACTS, {**held, **facts})

    def mark(self, number: int, attributes: Mapping[str, Any]) -> None:
        """Add attributes that Optuna itself reads."""
        for key, value in attributes.items():
            self._storage.set_trial_system_attr(self._trial_id(number), key, value)

    def bound(self, number: int, excesses: Mapping[str, float]) -> None:
        """Add by how much each constraint is broken."""
        open_trial = optuna.Trial(self._study, self._trial_id(number))
        for metric, excess in excesses.items():
            if metric not in open_trial.constraints:
                open_trial.set_constraint(metric, excess)

    def report(self, number: int, step: int, value: float) -> None:
        """Add an intermediate value."""
        id_ = self._trial_id(number)
        self._storage.set_trial_intermediate_value(id_, step, value)

    def finish(self, number: int, state: TrialState, values: tuple[float, ...] = ()) -> None:
        """Close a trial; one that is closed stays as it is."""
        id_ = self._trial_id(number)
        if not self._storage.get_trial(id_).state.is_finished():
            self._storage.set_trial_state_values(id_, state, list(values) or None)

    @property
    def seconds(self) -> float:
        """The time that all sessions have taken."""
        return float(self._study.user_attrs.get(CLOCK, [0.0])[0])

    @property
    def rounds(self) -> list[tuple[int, float]]:
        """The epochs and the seconds of each round of fits."""
        found = self._study.user_attrs.get(CLOCK, [0.0, []])[1]
        return [(epochs, seconds) for epochs, seconds in found]

    def clock(self, seconds: float, rounds: list[tuple[int, float]]) -> None:
        """Replace both."""
        self._study.set_user_attr(CLOCK, [seconds, rounds])

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)


def open_journal(path: Path) -> BaseStorage:
    """Open a journal in a file, which only this process writes.

    A process that was killed may have left a lock, and a last line that is torn.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            path.write_bytes(content[:whole])
    return JournalStorage(JournalFileBackend(f"{path}"))


def _trial(frozen: FrozenTrial) -> Trial:
    """Read a trial; JSON has only text as keys, and lists."""
    asked, known = frozen.user_attrs, frozen.user_attrs.get(FACTS, {})
    return Trial(
        number=frozen.number,
        settings=retuple(asked["settings"]),
        state=frozen.state.name,  # type: ignore[arg-type]  # none is waiting here
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
