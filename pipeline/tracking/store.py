"""The door to MLflow: no other part of the pipeline calls it.

A run is found by its fingerprint, so pushing the same run twice leaves one run. What it reads back
is what has been pushed before, and never a result. A server may do what it was asked and be killed
before it says so: what has been created is looked up again, and a second one of it removed.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlflow.entities import LoggedModelInput, LoggedModelOutput, Param, RunTag
from mlflow.exceptions import MlflowException

from pipeline.core.run_log import Figure
from pipeline.tracking import address
from pipeline.tracking.connection import GONE, connect, despite, find_experiment
from pipeline.tracking.document import FINGERPRINT, Dataset, Model
from pipeline.tracking.entities import (
    SYSTEM,
    Dated,
    Known,
    Made,
    Measured,
    Seen,
    cut,
    dataset_input,
    metric,
    models_by_fingerprint,
    runs_by_fingerprint,
)
from pipeline.tracking.failures import explained
from pipeline.tracking.locks import locked
from pipeline.tracking.registry import Registry

PARENT, NAME = "mlflow.parentRunId", "mlflow.runName"
BATCH = 800  # metrics in one call to the server, which takes 1000 items
SMALL_BATCH = 100  # the most params, the most tags, and the most metrics about a model
PARAM_CHARS = 6000  # the longest value


class Store:
    """One experiment on a tracking server or in a local database.

    Raises:
        TrackingError: it cannot be opened.
    """

    def __init__(self, experiment: str) -> None:
        # Two processes that create or upgrade one sqlite file corrupt it; the lock serialises them.
        with locked("tracking"), explained():
            self._client = connect()
            self._experiment_id = find_experiment(self._client, experiment)
        self.registry = Registry(self._client)

    @property
    def page(self) -> str:
        """Return the URL fragment of the page that lists the runs."""
        return f"/#/experiments/{self._experiment_id}/runs?workflowType=machine_learning"

    def runs(self) -> dict[str, Known]:
        """Return all runs of the experiment by their fingerprints."""
        search = partial(self._client.search_runs, order_by=["attributes.start_time ASC"])
        with explained():
            return runs_by_fingerprint(self._all(search))

    def models(self) -> dict[str, Made]:
        """Return all logged models by their fingerprints."""
        with explained():
            return models_by_fingerprint(self._all(self._client.search_logged_models))

    def _all(self, search: Callable[..., Any]) -> Iterator[Any]:
        """Yield what a search finds in the experiment, page by page."""
        page = search([self._experiment_id])
        yield from page
        while page.token:
            page = search([self._experiment_id], page_token=page.token)
            yield from page

    def find(self, fingerprint: str) -> str | None:
        """Return the id of the run with this fingerprint, after removing its doubles."""
        where = f"tags.`{FINGERPRINT}` = '{fingerprint}'"
        found = runs_by_fingerprint(self._client.search_runs([self._experiment_id], where))
        for known in found.values():
            self.remove(known.doubles)
            return known.run_id
        return None

    def create(
        self, name: str, fingerprint: str, tags: Mapping[str, str], start_s: float | None = None
    ) -> str:
        """Create a run, RUNNING, and return its id."""
        start_ms = round((start_s or time.time()) * 1000)
        held = {**cut(tags), FINGERPRINT: fingerprint}
        run = self._client.create_run(self._experiment_id, start_ms, held, name)
        own = str(run.info.run_id)
        return own if address.is_file() else self.find(fingerprint) or own

    def remove(self, run_ids: Iterable[str]) -> None:
        """Delete runs, which MLflow can restore."""
        for run_id in run_ids:
            self._client.delete_run(run_id)

    def reopen(self, run_id: str) -> None:
        """Show a run as RUNNING."""
        self._client.update_run(run_id, "RUNNING")

    def log(
        self,
        run_id: str,
        points: Sequence[Dated] = (),
        params: Mapping[str, str] = MappingProxyType({}),
        tags: Mapping[str, str] = MappingProxyType({}),
        measured: Measured | None = None,
    ) -> None:
        """Add metrics, params and tags to a run, in as few calls as the server allows.

        The tags come last, as they may say that the rest is complete.
        """
        size = SMALL_BATCH if measured else BATCH
        metrics = _parts([metric(point, measured) for point in points], size)
        given = [Param(key, value[:PARAM_CHARS]) for key, value in params.items()]
        labels = [RunTag(key, value) for key, value in cut(tags).items()]
        params_left, tags_left = _parts(given, SMALL_BATCH), _parts(labels, SMALL_BATCH)
        while metrics or params_left or tags_left:
            is_last = len(metrics) <= 1 and len(params_left) <= 1
            self._client.log_batch(
                run_id,
                metrics.pop(0) if metrics else [],
                params_left.pop(0) if params_left else [],
                tags_left.pop(0) if tags_left and is_last else [],
            )

    def seen(self, run_id: str) -> Seen:
        """Return what a run has already, but for the metrics of the machine."""
        run = self._client.get_run(run_id)
        names = (name for name in run.data.metrics if not name.startswith(SYSTEM))
        histories = (self._client.get_metric_history(run_id, name) for name in names)
        points = [
            Dated(Figure(m.key, m.value, m.step), m.timestamp) for own in histories for m in own
        ]
        made = run.outputs.model_outputs if run.outputs else ()
        return Seen(tuple(points), frozenset(model.model_id for model in made))

    def tags_of_state(self, run_id: str) -> dict[str, str]:
        """Return the tags of the outermost run that a run is nested in.

        Raises:
            TrackingError: there is no such run, or no server.
        """
        with explained():
            tags: dict[str, str] = self._client.get_run(run_id).data.tags
        parent_id = tags.get(PARENT)
        return self.tags_of_state(parent_id) if parent_id else tags

    def read_by(self, run_id: str, datasets: Sequence[Dataset], model_ids: Sequence[str]) -> None:
        """Name the data and the models that a run has read."""
        models = [LoggedModelInput(model_id) for model_id in model_ids]
        if datasets or models:
            self._client.log_inputs(run_id, [dataset_input(each) for each in datasets], models)

    def make(self, model: Model, run_id: str) -> Made:
        """Create the model of a run, which is not ready yet."""
        tags = {FINGERPRINT: model.fingerprint, "convoy.kind": model.kind}
        self._client.create_logged_model(
            self._experiment_id, model.name, run_id, tags, model_type=model.kind
        )
        same_name = partial(
            self._client.search_logged_models, filter_string=f"name = '{model.name}'"
        )
        made = models_by_fingerprint(self._all(same_name))[model.fingerprint]
        self.remove_models(made.doubles)
        return made

    def bring_out(self, model_id: str, run_id: str) -> None:
        """Name a model as what a run has made, which MLflow refuses a second time."""
        try:
            self._client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
        except MlflowException:
            if model_id not in self.seen(run_id).made:
                raise

    def finish(self, model_id: str) -> None:
        """Show a model as READY."""
        self._client.finalize_logged_model(model_id, "READY")

    def describe(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Add tags to a model."""
        self._client.set_logged_model_tags(model_id, cut(tags))

    def remove_models(self, model_ids: Iterable[str]) -> None:
        """Delete models."""
        for model_id in model_ids:
            despite(GONE, partial(self._client.delete_logged_model, model_id))

    def attach(self, run_id: str, file: Path, folder: str = "") -> None:
        self._client.log_artifact(run_id, str(file), folder or None)

    def attach_folder(self, run_id: str, source: Path, folder: str) -> None:
        self._client.log_artifacts(run_id, str(source), folder)

    def attach_json(self, run_id: str, tree: Mapping[str, Any], name: str) -> None:
        self._client.log_dict(run_id, dict(tree), name)

    def end(self, run_id: str, status: str, end_s: float | None = None) -> None:
        """End a run; `status` is FINISHED, FAILED or KILLED."""
        self._client.set_terminated(run_id, status, round((end_s or time.time()) * 1000))


def _parts(items: list[Any], size: int) -> list[list[Any]]:
    return [items[begin : begin + size] for begin in range(0, len(items), size)]
