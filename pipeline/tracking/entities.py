"""What MLflow holds, in the words of the mirror."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from mlflow.entities import Dataset as MlflowDataset
from mlflow.entities import DatasetInput, InputTag, LoggedModel, Metric, Run

from pipeline.core.run_log import Figure
from pipeline.tracking.document import FINGERPRINT, Dataset

E = TypeVar("E")
SYSTEM = "system/"
"""Begins the names of metrics of the machine, which are no results."""
TAG_CHARS, PROFILE_CHARS = 8000, 16_000_000  # the longest values


class Known(NamedTuple):
    """A run. Further ones of the same work, its doubles, come from two that began at once."""

    run_id: str
    status: str
    tags: dict[str, str]
    doubles: tuple[str, ...] = ()

    @classmethod
    def of(cls, same: Iterable[Run]) -> "Known":
        """Describe the oldest of several runs of the same work, the first by id if two are."""
        first, *others = sorted(same, key=lambda run: (run.info.start_time, run.info.run_id))
        doubles = tuple(run.info.run_id for run in others)
        return cls(first.info.run_id, first.info.status, first.data.tags, doubles)


class Made(NamedTuple):
    """A logged model, and its doubles."""

    model_id: str
    is_ready: bool
    tags: dict[str, str]
    doubles: tuple[str, ...] = ()

    @classmethod
    def of(cls, same: Iterable[LoggedModel]) -> "Made":
        """Describe the oldest of several models of the same work."""
        first, *others = sorted(same, key=lambda each: (each.creation_timestamp, each.model_id))
        doubles = tuple(model.model_id for model in others)
        return cls(first.model_id, first.status.value == "READY", first.tags, doubles)


class Dated(NamedTuple):
    """A metric at one step, and when it was pushed."""

    figure: Figure
    time_ms: int


class Seen(NamedTuple):
    """What a run has already: its points, and the ids of its models."""

    points: tuple[Dated, ...] = ()
    made: frozenset[str] = frozenset()


class Measured(NamedTuple):
    """What metrics are about: a model, by its id, and the data that it was measured on."""

    model_id: str
    dataset: Dataset | None


def runs_by_fingerprint(runs: Iterable[Run]) -> dict[str, Known]:
    """Return the runs of this program, each work once."""
    groups = _by_fingerprint(runs, lambda run: run.data.tags)
    return {fingerprint: Known.of(same) for fingerprint, same in groups.items()}


def models_by_fingerprint(models: Iterable[LoggedModel]) -> dict[str, Made]:
    """Return the models of this program, each once."""
    groups = _by_fingerprint(models, lambda model: model.tags)
    return {fingerprint: Made.of(same) for fingerprint, same in groups.items()}


def _by_fingerprint(
    entities: Iterable[E], tags_of: Callable[[E], Mapping[str, str]]
) -> dict[str, list[E]]:
    """Group what this program has made; what others have made carries no fingerprint."""
    groups: dict[str, list[E]] = {}
    for entity in entities:
        if FINGERPRINT in tags_of(entity):
            groups.setdefault(tags_of(entity)[FINGERPRINT], []).append(entity)
    return groups


def cut(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as long as MLflow takes them."""
    return {key: value[:TAG_CHARS] for key, value in tags.items()}


def metric(point: Dated, measured: Measured | None) -> Metric:
    """Return a point as MLflow takes it, bound to the model and the data that it is about."""
    name, value, step = point.figure
    if measured is None:
        return Metric(name, value, point.time_ms, step)
    data = measured.dataset
    named = (data.name, data.digest) if data else (None, None)
    return Metric(name, value, point.time_ms, step, measured.model_id, *named)


def dataset_input(dataset: Dataset) -> DatasetInput:
    """Return a part of the data as MLflow takes it."""
    profile = {"num_images": dataset.num_images, "num_images_by_class": dataset.counts}
    held = MlflowDataset(
        dataset.name,
        dataset.digest,
        "local",
        json.dumps({"uri": dataset.path}),
        profile=json.dumps(profile)[:PROFILE_CHARS],
    )
    return DatasetInput(held, [InputTag("mlflow.data.context", ", ".join(dataset.counts))])
