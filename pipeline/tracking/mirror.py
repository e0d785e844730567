"""Mirrors the artifacts in MLflow: one run for each stage entry, one parent run for each state.

A state is parameters, code and data together. A run that two states share exists once, under the
newer one; the parent's `runs.json` names all runs of its state.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.config.load import parse_params
from pipeline.core import dvcfile
from pipeline.core.artifacts import Card
from pipeline.core.files import read_json, read_yaml
from pipeline.core.git import git
from pipeline.core.paths import PARAMS_FILE, Layout
from pipeline.core.run_log import METRICS_FILE, RUN_FILE, Spool
from pipeline.tracking.store import Store

CODE = ("pipeline", "stages", "dvc.yaml")
# What is copied to MLflow, and up to how many bytes; everything else is linked.
SHOWN_BYTES = {".png": 2e6, ".svg": 2e6, ".json": 2e6, ".csv": 2e6, ".html": 20e6}
PUSHED = "convoy.pushed"  # marks a run whose metrics are complete, which saves a call for each
ENSEMBLES = "convoy.ensembles"  # DVC's hash of the ensembles, by which a commit is found


class Mirror:
    """The artifacts of the working directory as MLflow runs."""

    def __init__(self) -> None:
        self._tree = read_yaml(PARAMS_FILE)
        self._settings = parse_params(self._tree, "params.yaml").tracking
        self._store = Store(self._settings.experiment)
        self._parent_id: str | None = None

    def begin(self, folder: Path, parent_id: str | None = None) -> str:
        """Create or find the run that `folder` describes and log its parameters."""
        identity = read_json(folder / RUN_FILE)
        parent_id = parent_id or self.parent()
        start_s = (folder / RUN_FILE).stat().st_mtime
        run_id = self._store.begin(identity["name"], identity["fingerprint"], parent_id, start_s)
        stage, key = identity["stage"], identity["key"]
        tags = {
            "convoy.stage": stage,
            "convoy.key": key,
            "mlflow.source.name": f"stages/{stage}.py",
        }
        self._store.describe(run_id, identity.get("params", {}), tags | identity.get("tags", {}))
        return run_id

    def known(self, run_id: str) -> set[tuple[str, int]]:
        """Return the (name, step) of every metric that the run already has."""
        return self._store.known(run_id)

    def push_new(
        self, run_id: str, folder: Path, known: set[tuple[str, int]], time_s: float | None = None
    ) -> None:
        """Push the metrics in `folder` that are not yet `known`, and add them to `known`."""
        new = [f for f in Spool(folder).figures() if (f.name, f.step) not in known]
        self._store.push(run_id, new, time_s)
        known |= {(f.name, f.step) for f in new}

    def end(self, run_id: str, status: str, end_s: float | None = None) -> None:
        """Close a run and the state it belongs to: a state has the status of its last run."""
        self._store.end(run_id, status, end_s)
        parent_id = self.parent()
        if parent_id:
            self._store.end(parent_id, status)

    def publish(self, folder: Path, parent_id: str | None = None) -> dict[str, str]:
        """Mirror a finished run and its nested runs; return their ids by name.

        Raises:
            TrackingError: the server did not accept it; nothing is lost, call this again later.
        """
        identity = read_json(folder / RUN_FILE)
        run_id = self.begin(folder, parent_id)
        end_s = (folder / METRICS_FILE).stat().st_mtime
        with self._once(run_id, folder) as is_new:
            if is_new:
                self.push_new(run_id, folder, self.known(run_id), end_s)
                self._attach(run_id, identity)
        ids = {identity["name"]: run_id}
        for nested in sorted(folder.glob(f"*/{RUN_FILE}")):
            ids |= self.publish(nested.parent, run_id)
        self.end(run_id, "FINISHED", end_s)
        return ids

    def sync(self) -> int:
        """Mirror every entry of the pipeline that has been run; return the number of runs."""
        entries = dvcfile.entries(self._tree)
        folders = [Layout().runs / entry.name for entry in entries]
        present = [folder for folder in folders if (folder / RUN_FILE).is_file()]
        ids: dict[str, str] = {}
        for folder in present:
            ids |= self.publish(folder)
        parent_id = self.parent()
        if parent_id is None:
            return 0
        self._store.attach_json(parent_id, ids, "runs.json")
        ensembles = dvcfile.ensembles_in(dvcfile.LOCK)
        if ensembles:
            self._store.describe(parent_id, {}, {ENSEMBLES: ensembles})
        headline = Layout().runs / "evaluate"
        if headline in present:
            with self._once(parent_id, headline) as is_new:
                if is_new:
                    self.push_new(parent_id, headline, self.known(parent_id))
        self._store.end(parent_id, "FINISHED")
        return len(ids) + 1

    @contextmanager
    def _once(self, run_id: str, folder: Path) -> Iterator[bool]:
        """Yield whether the metrics in `folder` are new to a run; then mark them as pushed."""
        content = dvcfile.content_hash(folder / METRICS_FILE)
        is_new = self._store.tag(run_id, PUSHED) != content
        yield is_new
        if is_new:
            self._store.describe(run_id, {}, {PUSHED: content})

    def parent(self) -> str | None:
        """Return the run of this state of the pipeline; None before its data is preprocessed."""
        if self._parent_id or not Layout().card.is_file():
            return self._parent_id
        data = Card.load(Layout().card).fingerprint
        code = [dvcfile.content_hash(Path(path)) for path in CODE]
        silent = ("tracking", "execution")  # change no result; the latter may hold a password
        shaping = {key: part for key, part in self._tree.items() if key not in silent}
        state = sha256(f"{shaping}{code}{data}".encode()).hexdigest()
        self._parent_id = self._store.begin(f"pipeline {state[:8]}", state)
        tags = {"convoy.stage": "pipeline", "convoy.data": data, "mlflow.source.name": "dvc.yaml"}
        self._store.describe(self._parent_id, {}, tags | _revision())
        return self._parent_id

    def _attach(self, run_id: str, identity: dict[str, Any]) -> None:
        """Copy small artifacts, link the others, and register a packaged model."""
        outs = [Path(out) for out in identity["outs"] if Path(out).exists()]
        if outs:
            pointers = {str(out): f"sha256:{dvcfile.content_hash(out)}" for out in outs}
            self._store.attach_json(run_id, pointers, "pointers.json")
        if identity["stage"] == "package":
            self._store.attach_folder(run_id, Layout().model, "model")
            fingerprint = identity["fingerprint"]
            self._store.register(self._settings.registered_model, run_id, fingerprint)
            return
        for out in outs:
            for file in sorted(out.rglob("*")) if out.is_dir() else [out]:
                if file.stat().st_size < SHOWN_BYTES.get(file.suffix, 0):
                    inside = str(file.parent.relative_to(out)) if out.is_dir() else ""
                    self._store.attach(run_id, file, inside if inside != "." else "")


def _revision() -> dict[str, str]:
    """Return the commit that is checked out, and whether the files are as committed."""
    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "-uno")
    if commit is None:
        return {}  # not a git checkout, or one without a commit
    return {
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.dirty": str(bool(changes)).lower(),
    }
