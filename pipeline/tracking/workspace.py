"""All that the artifacts of the working directory say in MLflow, as one document for each run."""

from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.core import dvcfile
from pipeline.core.files import read_json, read_yaml
from pipeline.core.paths import PARAMS_FILE, Layout
from pipeline.core.run_log import RUN_FILE
from pipeline.tracking import state
from pipeline.tracking.datasets import Datasets
from pipeline.tracking.document import Document, File, Model
from pipeline.tracking.models import Models

# What is copied to MLflow, and up to how many bytes; everything else is linked.
SHOWN_BYTES = {".png": 2e6, ".svg": 2e6, ".json": 2e6, ".csv": 2e6, ".html": 20e6}
STATUSES = {"FAIL": "FAILED", "RUNNING": "KILLED"}
"""The status of a trial's run, by the state of the trial; FINISHED for others."""


class Workspace:
    """The documents of the present state: its own, and those of its entries.

    Args:
        stale: DVC's names of the entries whose artifacts belong to another state.
        tree: the parameters of the state; null: those of params.yaml.
    """

    def __init__(
        self, stale: frozenset[str] = frozenset(), tree: dict[str, Any] | None = None
    ) -> None:
        self._stale = stale
        self.tree: dict[str, Any] = tree or read_yaml(PARAMS_FILE)
        self.models, self._datasets = Models(), Datasets(self.tree["data"])
        self.state = state.document(
            self.tree, self.models.all, self._datasets, is_evaluated="evaluate" not in stale
        )

    @cached_property
    def entries(self) -> list[Document]:
        """The documents of all entries that have run, each before those nested in it."""
        entries = dvcfile.entries(self.tree)
        current = (entry for entry in entries if entry.dvc_name not in self._stale)
        folders = [Layout().runs / entry.name for entry in current]
        present = (folder for folder in folders if (folder / RUN_FILE).is_file())
        return [document for folder in present for document in self.of_entry(folder)]

    def of_entry(self, folder: Path) -> list[Document]:
        """Return the documents of a run, which has ended, and of those nested in it."""
        return self._with_nested(folder, self.state_fingerprint)

    @property
    def state_fingerprint(self) -> str | None:
        """The fingerprint of the state's run, in which those of its entries are nested."""
        return self.state.fingerprint if self.state else None

    def _with_nested(self, folder: Path, parent: str | None) -> list[Document]:
        own = self.document(folder, parent)
        found = [own]
        for path in sorted(folder.glob(f"*/{RUN_FILE}")):
            found += self._with_nested(path.parent, own.fingerprint)
        return found

    def document(self, folder: Path, parent: str | None) -> Document:
        """Return what the run in a folder says."""
        run = read_json(folder / RUN_FILE)
        stage, tags = run["stage"], run.get("tags", {})
        outs = [Path(out) for out in run["outs"] if Path(out).exists()]
        is_entry = bool(run["outs"])
        return Document(
            name=run["name"],
            fingerprint=run["fingerprint"],
            folder=folder,
            parent=parent,
            status=STATUSES.get(tags.get("state", ""), "FINISHED"),
            params=run.get("params", {}),
            tags={
                "convoy.stage": stage,
                "convoy.key": run["key"],
                "mlflow.source.name": f"stages/{stage}.py",
                **tags,
            },
            datasets=self._datasets.read_by(stage),
            measured=self._measured(stage, tags),
            reads=self.models.read_by(stage, run["key"]) if is_entry else (),
            makes=self.models.made_by(stage, run["key"]) if is_entry else (),
            files=() if stage == "package" else tuple(_shown(outs)),
            outs=tuple(map(str, outs)),
        )

    def _measured(self, stage: str, tags: dict[str, str]) -> Model | None:
        system = tags.get("convoy.system")
        return self.models.all.get(system) if system and stage == "evaluate" else None


def _shown(outs: list[Path]) -> list[File]:
    """Return the small files of the outputs, which MLflow shows."""
    found = []
    for out in outs:
        for file in sorted(out.rglob("*")) if out.is_dir() else [out]:
            if file.is_file() and file.stat().st_size < SHOWN_BYTES.get(file.suffix, 0):
                inside = f"{file.parent.relative_to(out)}" if out.is_dir() else ""
                found.append(File(file, inside.removeprefix(".")))
    return found
