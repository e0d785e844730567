"""Networks and ensembles as MLflow's logged models, linked to the runs that make and read them."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property

from pipeline.tracking.document import Document, Model
from pipeline.tracking.entities import Made, Measured, Seen
from pipeline.tracking.store import Store

VERSIONS = "mlflow.modelVersions"
"""The tag of a logged model by which MLflow's pages know that it is registered."""


class LoggedModels:
    """The models of an experiment."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def _known(self) -> dict[str, Made]:
        found = self._store.models()
        for made in found.values():
            self._store.remove_models(made.doubles)
        return found

    def has_all(self, models: Iterable[Model]) -> bool:
        """Return whether the runs that make these models have been mirrored."""
        return all(model.fingerprint in self._known for model in models)

    def measured_by(self, document: Document) -> Measured | None:
        """Return what the metrics of a run are about, if MLflow has it."""
        model = document.measured
        if model is None or model.fingerprint not in self._known:
            return None
        data = document.datasets[-1] if document.datasets else None
        return Measured(self._known[model.fingerprint].model_id, data)

    def link(self, run_id: str, document: Document, seen: Seen) -> None:
        """Name the data and the models that a run has read, and create those it has made."""
        there = (model.fingerprint for model in document.about if model.fingerprint in self._known)
        ids = [self._known[fingerprint].model_id for fingerprint in there]
        self._store.read_by(run_id, document.datasets, ids)
        for model in document.makes:
            made = self._known.get(model.fingerprint) or self._store.make(model, run_id)
            if made.model_id not in seen.made:
                self._store.bring_out(made.model_id, run_id)
            if not made.is_ready:
                self._store.finish(made.model_id)
            self._known[model.fingerprint] = made._replace(is_ready=True)

    def describe(self, models: Mapping[str, Model]) -> None:
        """Name the relatives of each model, some of which are made after it."""
        for model in models.values():
            self._tag(model, _relatives(model, models))

    def name_version(self, model: Model, name: str, version: str) -> None:
        """Name the registered version of a packaged model."""
        self._tag(model, {VERSIONS: json.dumps([{"name": name, "version": version}])})

    def _tag(self, model: Model, tags: Mapping[str, str]) -> None:
        """Add the tags that a model lacks, if MLflow has the model."""
        made = self._known.get(model.fingerprint)
        if made and not tags.items() <= made.tags.items():
            self._store.describe(made.model_id, tags)


def _relatives(model: Model, models: Mapping[str, Model]) -> dict[str, str]:
    """Return the members of an ensemble and its students, and those that it is one of."""
    own, others = model.fingerprint, models.values()
    related = {
        "convoy.members": [other.name for other in others if other.fingerprint in model.members],
        "convoy.in_ensembles": [other.name for other in others if own in other.members],
        "convoy.teacher": [other.name for other in others if other.fingerprint == model.teacher],
        "convoy.students": [other.name for other in others if own == other.teacher],
    }
    return {key: ", ".join(names) for key, names in related.items() if names}
