"""The table of trials, and the trials of another study that are read from one."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from optuna import create_study
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, create_trial

from pipeline.config.search import Choices, Setting, Settings
from pipeline.core.errors import UserError, nearest
from pipeline.search.space import SearchSpace
from pipeline.search.spec import StudySpec
from pipeline.search.trial import Trial


def write(path: Path, metrics: Sequence[str], monitor: str, trials: Sequence[Trial]) -> None:
    """Write a row for each trial: state, epochs, metrics, settings.

    Args:
        monitor: the metric by which a fit keeps its best epoch.
    """
    keys = sorted({key for trial in trials for key in trial.settings})
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["trial", "state", "epochs", *map(column, metrics), *keys])
        for trial in trials:
            known = _metrics(monitor, trial)
            table.writerow(
                [
                    trial.number,
                    trial.state,
                    trial.num_epochs,
                    *(known.get(metric, "") for metric in metrics),
                    *(spelt(trial.settings[k]) if k in trial.settings else "" for k in keys),
                ]
            )


def column(metric: str) -> str:
    """Return the heading of a metric; settings are the columns whose heading has a dot."""
    return metric.replace("/", "_")


def spelt(value: Setting) -> str:
    """Spell a setting so that it can be read again; an axis that was not searched has no text."""
    return value if isinstance(value, str) else json.dumps(value)


def read(path: Path, spec: StudySpec) -> list[FrozenTrial]:
    """Read the complete trials of another study whose settings lie in this space.

    Raises:
        UserError: the file is missing, or lacks a metric of this search.
    """
    kept, num = _read(path, spec)
    print(f"search {spec.name}: learns from {len(kept)} of {num} trials in {path}", flush=True)
    return kept


def _read(path: Path, spec: StudySpec) -> tuple[list[FrozenTrial], int]:
    """Return the trials of a table that are complete and fit, and the number of all."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"search.warm_start: got {path}: {error}; name a table of trials") from None
    needed = ["state", *map(column, spec.metrics)]
    for name in needed:
        if name not in (rows[0] if rows else ()):
            raise UserError(
                f"search.warm_start: {path} has no column {name}; "
                f"{nearest(name, rows[0] if rows else [])}; name a table of the same metrics"
            )
    space = SearchSpace(spec.search.space)
    complete = [row for row in rows if row["state"] == "COMPLETE"]
    found = [_frozen(spec, space, row) for row in complete]
    kept = [trial for trial in found if trial is not None]
    return kept, len(rows)


def as_study(path: Path, spec: StudySpec) -> InMemoryStorage:
    """Return the complete trials of a table as a study.

    Raises:
        UserError: as `read` does.
    """
    storage = InMemoryStorage()
    study = create_study(
        storage=storage,
        study_name=spec.name,
        directions=[objective.direction for objective in spec.objectives],
    )
    study.set_metric_names([objective.metric for objective in spec.objectives])
    study.add_trials(_read(path, spec)[0])
    return storage


def _frozen(spec: StudySpec, space: SearchSpace, row: dict[str, str]) -> FrozenTrial | None:
    settings = _settings(spec, row)
    if settings is None or not space.is_complete(settings):
        return None
    metrics = {metric: float(row[column(metric)]) for metric in spec.metrics}
    bounds = spec.search.constraints
    return create_trial(
        values=[metrics[objective.metric] for objective in spec.objectives],
        params=space.encode(settings),
        distributions={key: space.distributions[key] for key in settings},
        constraints={bound.metric: bound.excess(metrics[bound.metric]) for bound in bounds},
    )


def _settings(spec: StudySpec, row: dict[str, str]) -> Settings | None:
    """Read the settings of a row; None where one is no value of its axis."""
    found: Settings = {}
    for key, axis in spec.search.space.items():
        text = row.get(key, "")
        if not text:
            continue
        if isinstance(axis, Choices):
            named = {spelt(choice): choice for choice in axis.choices}
            if text not in named:
                return None
            found[key] = named[text]
        else:
            try:
                found[key] = int(text) if axis.is_whole else float(text)
            except ValueError:
                return None
    return found


def _metrics(monitor: str, trial: Trial) -> dict[str, float]:
    """Return the metrics of a trial so far; those of one that diverged say nothing."""
    if trial.state == "FAIL" or not trial.histories:
        return dict(trial.costs)
    return trial.metrics(monitor)
