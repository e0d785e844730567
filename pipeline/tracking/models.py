"""The networks and ensembles of a state, as MLflow's logged models name them."""

from pathlib import Path

from pipeline.config.distillation import ENSEMBLE
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.core.run_log import RUN_FILE
from pipeline.tracking.document import Model

KINDS = {"train": "member", "soup": "soup", "ensemble": "ensemble", "distil": "student"}
"""The kind of the models that a stage makes."""


class Models:
    """The models that have been made, each identified by the run that has made it."""

    def __init__(self) -> None:
        self.all: dict[str, Model] = {}
        for run in sorted(Layout().runs.glob(f"train/*/{RUN_FILE}")):
            self._add(run, run.parent.name, "member")
        soups = Layout().runs / "soup" / RUN_FILE
        for folder in sorted(Layout().soups.glob("*")):
            if soups.is_file() and folder.is_dir():
                self._add(soups, folder.name, "soup")
        ensemble = Layout().runs / "ensemble" / RUN_FILE
        for path in sorted((Layout().ensemble / "systems").glob("*.json")):
            if ensemble.is_file() and path.stem not in self.all:
                names = read_json(path)["members"]
                members = tuple(self.all[n].fingerprint for n in names if n in self.all)
                self._add(ensemble, path.stem, "ensemble", members)
        teacher = self.chosen.fingerprint if self.chosen else ""
        for run in sorted(Layout().runs.glob(f"distil/*/{RUN_FILE}")):
            self._add(run, run.parent.name, "student", teacher=teacher)

    @property
    def chosen(self) -> Model | None:
        """The ensemble that validation chose."""
        choice = Layout().ensemble / "choice.json"
        return self.all.get(read_json(choice)["chosen"]) if choice.is_file() else None

    def deployed(self, model: str) -> Model | None:
        """Return the model that is packaged where `serving.model` says so."""
        return self.chosen if model == ENSEMBLE else self.all.get(model)

    def made_by(self, stage: str, key: str) -> tuple[Model, ...]:
        """Return the models that an entry makes."""
        kind = KINDS.get(stage)
        own = (model for model in self.all.values() if model.kind == kind)
        return tuple(model for model in own if not key or model.name == key)

    def read_by(self, stage: str, key: str) -> tuple[Model, ...]:
        """Return the models that an entry reads, itself or through their predictions."""
        if stage in ("predict", "predict_soup", "predict_distilled", "calibrate"):
            return tuple(model for name, model in self.all.items() if name == key)
        if stage in ("soup", "ensemble"):
            kinds = ("member",) if stage == "soup" else ("member", "soup")
            return tuple(model for model in self.all.values() if model.kind in kinds)
        return (self.chosen,) if stage == "distil" and self.chosen else ()

    def _add(
        self,
        run: Path,
        name: str,
        kind: str,
        members: tuple[str, ...] = (),
        teacher: str = "",
    ) -> None:
        fingerprint = f"{read_json(run)['fingerprint']}/{name}"
        self.all[name] = Model(name, kind, fingerprint, members, teacher)
