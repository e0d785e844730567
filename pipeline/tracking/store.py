"""The door to MLflow: no other file of the pipeline imports it.

A run is found by its fingerprint, so pushing the same run twice leaves one run. What it reads back
is what has been pushed before, and never a result.
"""

import fcntl
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    # A dead server must cost seconds only: by default one call may block for minutes.
    MLFLOW_HTTP_REQUEST_MAX_RETRIES=os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
    MLFLOW_HTTP_REQUEST_TIMEOUT=os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "5"),
)

from mlflow import MlflowClient
from mlflow.entities import Dataset as MlflowDataset
from mlflow.entities import (
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException

from pipeline.core.paths import SCRATCH
from pipeline.core.run_log import Figure
from pipeline.tracking.document import FINGERPRINT, Dataset, Model
from pipeline.tracking.registry import Registry

PARENT, NAME = "mlflow.parentRunId", "mlflow.runName"
BATCH = 1000  # the most items in one call to the server
SMALL_BATCH = 100  # the most params, and the most tags
PARAM_CHARS, TAG_CHARS, PROFILE_CHARS = 6000, 8000, 16_000_000  # the longest values
ROOT = Path(str(Path.cwd()).split("/.dvc/tmp/")[0])
"""The repository, even from a temporary DVC workspace: all of them share one database."""

TrackingError = MlflowException
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)


class Known(NamedTuple):
    """What MLflow says of a run."""

    run_id: str
    status: str
    tags: dict[str, str]


class Measured(NamedTuple):
    """What metrics are about: a model, by its id, and the data that it was measured on."""

    model_id: str
    dataset: Dataset | None


def uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, or the absolute path of the repository's sqlite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"


class Store:
    """One experiment on a tracking server or in a local database."""

    def __init__(self, experiment: str) -> None:
        # Two processes that create or upgrade one sqlite file corrupt it; the lock serialises them.
        with locked("tracking"):
            _create_database()
            self._client = MlflowClient(tracking_uri=uri(), registry_uri=uri())
            self._experiment_id = self._find_experiment(experiment)
        self.registry = Registry(self._client)

    @property
    def page(self) -> str:
        """Return the URL fragment of the page that lists the runs."""
        return f"/#/experiments/{self._experiment_id}/runs?workflowType=machine_learning"

    def runs(self) -> dict[str, Known]:
        """Return all runs of the experiment by their fingerprints."""
        search = partial(self._client.search_runs, order_by=["attributes.start_time DESC"])
        return {  # the oldest one counts, if two were made at once
            run.data.tags[FINGERPRINT]: Known(run.info.run_id, run.info.status, run.data.tags)
            for run in self._all(search)
            if FINGERPRINT in run.data.tags
        }

    def models(self) -> dict[str, str]:
        """Return the ids of all logged models by their fingerprints."""
        return {
            model.tags[FINGERPRINT]: model.model_id
            for model in self._all(self._client.search_logged_models)
            if FINGERPRINT in model.tags
        }

    def _all(self, search: Callable[..., Any]) -> Iterator[Any]:
        """Yield what a search finds in the experiment, page by page."""
        page = search([self._experiment_id])
        yield from page
        while page.token:
            page = search([self._experiment_id], page_token=page.token)
            yield from page

    def find(self, fingerprint: str) -> str | None:
        """Return the id of the run with this fingerprint."""
        where = f"tags.`{FINGERPRINT}` = '{fingerprint}'"
        order = ["attributes.start_time ASC"]
        found = self._client.search_runs([self._experiment_id], where, 1, 1, order)
        return str(found[0].info.run_id) if found else None

    def create(
        self, name: str, fingerprint: str, tags: Mapping[str, str], start_s: float | None = None
    ) -> str:
        """Create a run, RUNNING, and return its id."""
        start_ms = round((start_s or time.time()) * 1000)
        held = {**_cut(tags), FINGERPRINT: fingerprint}
        run = self._client.create_run(self._experiment_id, start_ms, held, name)
        return str(run.info.run_id)

    def reopen(self, run_id: str) -> None:
        """Show a run as RUNNING."""
        self._client.update_run(run_id, "RUNNING")

    def log(
        self,
        run_id: str,
        figures: Sequence[Figure] = (),
        params: Mapping[str, str] = MappingProxyType({}),
        tags: Mapping[str, str] = MappingProxyType({}),
        measured: Measured | None = None,
        time_s: float | None = None,
    ) -> None:
        """Add metrics, params and tags to a run, in as few calls as the server allows."""
        now_ms = round((time_s or time.time()) * 1000)
        about = _about(measured)
        metrics = [Metric(f.name, f.value, now_ms, f.step, **about) for f in figures]
        given = [Param(key, value[:PARAM_CHARS]) for key, value in params.items()]
        labels = [RunTag(key, value) for key, value in _cut(tags).items()]
        while metrics or given or labels:
            first, labels = labels[:SMALL_BATCH], labels[SMALL_BATCH:]
            second, given = given[:SMALL_BATCH], given[SMALL_BATCH:]
            room = BATCH - len(first) - len(second)
            self._client.log_batch(run_id, metrics[:room], second, first)
            metrics = metrics[room:]

    def known(self, run_id: str) -> set[tuple[str, int]]:
        """Return the (name, step) of every metric that the run already has."""
        names = self._client.get_run(run_id).data.metrics
        histories = (self._client.get_metric_history(run_id, name) for name in names)
        return {(metric.key, metric.step) for history in histories for metric in history}

    def tags_of_state(self, run_id: str) -> dict[str, str]:
        """Return the tags of the outermost run that a run is nested in.

        Raises:
            TrackingError: there is no such run, or no server.
        """
        tags: dict[str, str] = self._client.get_run(run_id).data.tags
        parent_id = tags.get(PARENT)
        return self.tags_of_state(parent_id) if parent_id else tags

    def read_by(self, run_id: str, datasets: Sequence[Dataset], model_ids: Sequence[str]) -> None:
        """Name the data and the models that a run has read."""
        inputs = [
            DatasetInput(_entity(each), [InputTag("mlflow.data.context", _splits(each))])
            for each in datasets
        ]
        models = [LoggedModelInput(model_id) for model_id in model_ids]
        if inputs or models:
            self._client.log_inputs(run_id, inputs, models)

    def make(self, model: Model, run_id: str, tags: Mapping[str, str]) -> str:
        """Create the model that a run has made, and return its id."""
        made = self._client.create_logged_model(
            self._experiment_id,
            model.name,
            run_id,
            {**_cut(tags), FINGERPRINT: model.fingerprint, "convoy.kind": model.kind},
            model_type=model.kind,
        )
        self._client.finalize_logged_model(made.model_id, "READY")
        self._client.log_outputs(run_id, [LoggedModelOutput(made.model_id, 0)])
        return str(made.model_id)

    def attach(self, run_id: str, file: Path, folder: str = "") -> None:
        self._client.log_artifact(run_id, str(file), folder or None)

    def attach_folder(self, run_id: str, source: Path, folder: str) -> None:
        self._client.log_artifacts(run_id, str(source), folder)

    def attach_json(self, run_id: str, tree: Mapping[str, Any], name: str) -> None:
        self._client.log_dict(run_id, dict(tree), name)

    def end(self, run_id: str, status: str, end_s: float | None = None) -> None:
        """End a run; `status` is FINISHED, FAILED or KILLED."""
        self._client.set_terminated(run_id, status, round((end_s or time.time()) * 1000))

    def _find_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found:
            if found.lifecycle_stage == LifecycleStage.DELETED:
                self._client.restore_experiment(found.experiment_id)
                print(
                    f"tracking: the experiment {name} was deleted in MLflow: restored with its "
                    "runs; set tracking.experiment to begin another",
                    file=sys.stderr,
                )
            return str(found.experiment_id)
        local = uri().startswith("sqlite")
        folder = (ROOT / "mlartifacts").as_uri() if local else None
        # Without a kind, the pages open in a view for language models, which hides the runs.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        return str(self._client.create_experiment(name, artifact_location=folder, tags=kind))


def _create_database() -> None:
    """Create the local database, of which a killed process leaves either all tables or no file."""
    path = Path(uri().removeprefix("sqlite:///"))
    if not uri().startswith("sqlite:///") or path.exists():
        return
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    MlflowClient(f"sqlite:///{unfinished}").search_experiments(max_results=1)
    unfinished.replace(path)


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:TAG_CHARS] for key, value in tags.items()}


def _about(measured: Measured | None) -> dict[str, str]:
    if measured is None:
        return {}
    data = measured.dataset
    names = {"dataset_name": data.name, "dataset_digest": data.digest} if data else {}
    return {"model_id": measured.model_id, **names}


def _entity(dataset: Dataset) -> MlflowDataset:
    counts = {split: sum(own.values()) for split, own in dataset.counts.items()}
    profile = {"num_images": counts, "num_images_by_class": dataset.counts}
    return MlflowDataset(
        dataset.name,
        dataset.digest,
        "local",
        json.dumps({"uri": dataset.path}),
        profile=json.dumps(profile)[:PROFILE_CHARS],
    )


def _splits(dataset: Dataset) -> str:
    return ", ".join(dataset.counts)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock of the repository."""
    path = ROOT / SCRATCH / f"{name}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
