"""Writes runs to MLflow, and never reads a result back; no other file imports mlflow.

A run is found by its fingerprint, so pushing the same run twice leaves one run.
"""

import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    # A dead server must cost seconds only: by default one call may block for minutes.
    MLFLOW_HTTP_REQUEST_MAX_RETRIES=os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
    MLFLOW_HTTP_REQUEST_TIMEOUT=os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "5"),
)

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from pipeline.core.run_log import Figure

FINGERPRINT = "convoy.fingerprint"
BATCH = 1000  # the most metrics in one call to the server
PARAM_CHARS = 6000  # the longest parameter value
ROOT = Path(str(Path.cwd()).split("/.dvc/tmp/")[0])
"""The repository, even from a temporary DVC workspace: all of them share one database."""

TrackingError = MlflowException
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)


def uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, or the absolute path of the repository's sqlite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"


class Store:
    """One experiment on a tracking server or in a local database."""

    def __init__(self, experiment: str) -> None:
        # Two processes that create or upgrade one sqlite file corrupt it; the lock serialises them.
        with _locked():
            _create_database()
            self._client = MlflowClient(tracking_uri=uri(), registry_uri=uri())
            self._experiment_id = self._find_experiment(experiment)

    @property
    def page(self) -> str:
        """Return the URL fragment of the page that lists the runs."""
        return f"/#/experiments/{self._experiment_id}/runs?workflowType=machine_learning"

    def begin(
        self,
        name: str,
        fingerprint: str,
        parent_id: str | None = None,
        start_s: float | None = None,
    ) -> str:
        """Find or create the run with this fingerprint, set it RUNNING, and return its id."""
        with _locked():
            run_id = self._find(fingerprint)
            if run_id is None:
                start_ms = round((start_s or time.time()) * 1000)
                tags = {FINGERPRINT: fingerprint}
                run = self._client.create_run(self._experiment_id, start_ms, tags, name)
                run_id = str(run.info.run_id)
            else:
                self._client.update_run(run_id, "RUNNING")
        if parent_id:
            self._client.set_tag(run_id, "mlflow.parentRunId", parent_id)
        return run_id

    def describe(self, run_id: str, params: dict[str, str], tags: dict[str, str]) -> None:
        items = [Param(key, value[:PARAM_CHARS]) for key, value in params.items()]
        self._client.log_batch(run_id, params=items, tags=[RunTag(k, v) for k, v in tags.items()])

    def known(self, run_id: str) -> set[tuple[str, int]]:
        """Return the (name, step) of every metric that the run already has."""
        names = self._client.get_run(run_id).data.metrics
        histories = (self._client.get_metric_history(run_id, name) for name in names)
        return {(metric.key, metric.step) for history in histories for metric in history}

    def tag(self, run_id: str, name: str) -> str | None:
        """Return the value of a run's tag."""
        found: str | None = self._client.get_run(run_id).data.tags.get(name)
        return found

    def tags_of_state(self, run_id: str) -> dict[str, str]:
        """Return the tags of the outermost run that a run is nested in.

        Raises:
            TrackingError: there is no such run, or no server.
        """
        tags: dict[str, str] = self._client.get_run(run_id).data.tags
        parent_id = tags.get("mlflow.parentRunId")
        return self.tags_of_state(parent_id) if parent_id else tags

    def push(self, run_id: str, figures: list[Figure], time_s: float | None = None) -> None:
        now_ms = round((time_s or time.time()) * 1000)
        metrics = [Metric(f.name, f.value, now_ms, f.step) for f in figures]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + BATCH])

    def attach(self, run_id: str, file: Path, folder: str = "") -> None:
        self._client.log_artifact(run_id, str(file), folder or None)

    def attach_folder(self, run_id: str, source: Path, folder: str) -> None:
        self._client.log_artifacts(run_id, str(source), folder)

    def attach_json(self, run_id: str, tree: dict[str, Any], name: str) -> None:
        self._client.log_dict(run_id, tree, name)

    def end(self, run_id: str, status: str, end_s: float | None = None) -> None:
        """End a run; `status` is FINISHED, FAILED or KILLED."""
        self._client.set_terminated(run_id, status, round((end_s or time.time()) * 1000))

    def register(self, name: str, run_id: str, fingerprint: str) -> None:
        """Register the run's `model` as a version of `name`, once for each fingerprint."""
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        versions = self._client.search_model_versions(f"name = '{name}'")
        if all(v.tags.get(FINGERPRINT) != fingerprint for v in versions):
            source = f"{self._client.get_run(run_id).info.artifact_uri}/model"
            self._client.create_model_version(name, source, run_id, tags={FINGERPRINT: fingerprint})

    def _find(self, fingerprint: str) -> str | None:
        where = f"tags.`{FINGERPRINT}` = '{fingerprint}'"
        found = self._client.search_runs([self._experiment_id], where, max_results=1)
        return str(found[0].info.run_id) if found else None

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


@contextmanager
def _locked() -> Iterator[None]:
    path = ROOT / ".convoy" / "tracking.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
