"""Reads a store in full, so that two of them can be compared: without ids and times."""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion

from pipeline.core.files import read_json
from pipeline.tracking.document import Document

SYSTEM = "system/"  # metrics of the machine, which no artifact holds
FINGERPRINT = "convoy.fingerprint"
OWN = ("convoy.process", "convoy.runs", "mlflow.parentRunId")  # tags that are made of ids


class Reader:
    """What one experiment and the registry hold, where fingerprints stand for ids."""

    def __init__(self, api: MlflowClient, name: str = "convoy") -> None:
        """`name` is that of the experiment and of the registered model."""
        self._api, self._name = api, name
        found = api.get_experiment_by_name(name)
        assert found
        self._experiment_id = found.experiment_id
        self._runs = self.runs()
        self._models = list(self._pages(api.search_logged_models))
        self._names = {run.info.run_id: run.data.tags[FINGERPRINT] for run in self._runs}
        self._names |= {model.model_id: model.tags[FINGERPRINT] for model in self._models}

    def runs(self, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
        search = self._api.search_runs
        return list(self._pages(lambda ids, **more: search(ids, run_view_type=view, **more)))

    def _pages(self, search: Any) -> Iterator[Any]:
        page = search([self._experiment_id])
        yield from page
        while page.token:
            page = search([self._experiment_id], page_token=page.token)
            yield from page

    def all(self) -> dict[str, Any]:
        """Everything; a run or model that is there twice is there twice in the result, too."""
        return {
            "runs": _listed((self._names[r.info.run_id], self._run(r)) for r in self._runs),
            "models": _listed((self._names[m.model_id], self._model(m)) for m in self._models),
            "registry": [self._registered(model) for model in self._registry()],
        }

    def points(self, run: Run) -> Counter[tuple[str, int, float]]:
        """All points of a run, each as often as it is there."""
        names = (name for name in run.data.metrics if not name.startswith(SYSTEM))
        histories = (self._api.get_metric_history(run.info.run_id, name) for name in names)
        return Counter((m.key, m.step, m.value) for history in histories for m in history)

    def _run(self, run: Run) -> dict[str, Any]:
        tags = {k: self._told(v) for k, v in run.data.tags.items() if k not in OWN}
        inputs = [
            (each.dataset.name, each.dataset.digest, each.dataset.source, each.dataset.profile,
             sorted((tag.key, tag.value) for tag in each.tags))
            for each in run.inputs.dataset_inputs
        ]  # fmt: skip
        return {
            "name": run.info.run_name,
            "status": run.info.status,
            "parent": self._names.get(run.data.tags.get("mlflow.parentRunId", "")),
            "params": run.data.params,
            "tags": tags,
            "points": sorted(self.points(run).items()),
            "datasets": sorted(inputs),
            "reads": sorted(self._names[each.model_id] for each in run.inputs.model_inputs),
            "makes": sorted(self._names[each.model_id] for each in run.outputs.model_outputs),
            "artifacts": self._artifacts(run.info.run_id),
        }

    def _artifacts(self, run_id: str) -> dict[str, str]:
        with TemporaryDirectory() as folder:
            if not self._api.list_artifacts(run_id):
                return {}
            self._api.download_artifacts(run_id, "", folder)
            files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
            return {f"{path.relative_to(folder)}": self._content(path) for path in files}

    def _content(self, path: Path) -> str:
        if path.name == "runs.json":  # holds ids
            return self._told(path.read_text())
        return sha256(path.read_bytes()).hexdigest()

    def _told(self, text: str) -> str:
        """Put fingerprints in the place of ids."""
        for own, name in self._names.items():
            text = text.replace(own, name)
        return text

    def _model(self, model: Any) -> dict[str, Any]:
        metrics = [
            (m.key, m.step, m.value, m.dataset_name, m.dataset_digest, self._names[m.run_id])
            for m in model.metrics
        ]
        return {
            "name": model.name,
            "type": model.model_type,
            "status": model.status,
            "params": model.params,
            "tags": {k: v.replace(f'"{self._name}"', '"it"') for k, v in model.tags.items()},
            "run": self._names[model.source_run_id],
            "metrics": sorted(metrics),
        }

    def _registry(self) -> list[Any]:
        return list(self._api.search_registered_models(f"name = '{self._name}'"))

    def _registered(self, model: Any) -> dict[str, Any]:
        found = self._api.search_model_versions(f"name = '{model.name}'")
        versions = [self._version(self._api.get_model_version(v.name, v.version)) for v in found]
        return {
            "description": model.description or "",
            "tags": model.tags,
            "aliases": model.aliases,
            "versions": sorted(versions, key=lambda version: int(version["version"])),
        }

    def _version(self, version: ModelVersion) -> dict[str, Any]:
        return {
            "version": f"{version.version}",  # a number or a text
            "run": self._names[version.run_id],
            "description": self._told(version.description or ""),
            "tags": version.tags,
            "aliases": sorted(version.aliases),
            "status": version.status,
        }


def _listed(pairs: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Say where two trees differ, each place in one line."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other}, key=str)
        return [
            line
            for key in keys
            for line in differences(one.get(key), other.get(key), f"{place}/{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for n, (a, b) in pairs for line in differences(a, b, f"{place}/{n}")]
    return [] if one == other else [f"{place}: {one!r:.300} != {other!r:.300}"]


def written(run: Path) -> Counter[tuple[str, int, float]]:
    """The points that a stage has written of one run; of very long series those that are shown."""
    return Counter((f.name, f.step, f.value) for f in Document("", "", run).figures)


def wrong_points(workspace: Path, reader: Reader, runs: str = "**") -> list[str]:
    """Name the runs that are not there once, or have not exactly the points that were written.

    Args:
        runs: a pattern of their folders.
    """
    found: dict[str, list[Run]] = {}
    for run in reader.runs():
        found.setdefault(run.data.tags[FINGERPRINT], []).append(run)
    wrong = []
    for path in sorted((workspace / "artifacts/runs").glob(f"{runs}/run.json")):
        own, name = found.get(read_json(path)["fingerprint"], []), path.parent.name
        if len(own) != 1:
            wrong.append(f"{name}: {len(own)} runs")
            continue
        wanted, there = written(path.parent), reader.points(own[0])
        if wanted != there or own[0].info.status != "FINISHED":
            missing, more = (wanted - there).total(), (there - wanted).total()
            wrong.append(f"{name}: {missing} missing, {more} too many, {own[0].info.status}")
    return wrong
