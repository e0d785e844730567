"""Which runs and models in MLflow are those of the working directory."""

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.core import dvcfile
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.core.run_log import RUN_FILE
from pipeline.tracking.currency import stale
from pipeline.tracking.entities import Known
from pipeline.tracking.models import Models
from pipeline.tracking.store import Store
from pipeline.tracking.workspace import Workspace


class Presence(NamedTuple):
    """One entry of the pipeline, or the state as a whole, and what MLflow has of it."""

    name: str
    artifacts: str
    """`current`, `changed` or `missing`."""
    run_id: str
    """Empty where MLflow has no run of these artifacts."""
    status: str
    models: str
    """The models that the run has made."""


def presence(tree: dict[str, Any], store: Store | None) -> list[Presence]:
    """Return the state and all entries, in the order of dvc.yaml.

    Args:
        store: None where MLflow does not answer.
    """
    late, models = stale(tree), Models()
    known = store.runs() if store else {}
    there = store.models() if store else {}
    own = Workspace(late).state
    is_current = own is not None and not late
    found = "current" if is_current else "changed"
    rows = [_row("pipeline", found, own.fingerprint if own else None, known)]
    for entry in dvcfile.entries(tree):
        found = _artifacts(entry, late)
        if found != "current" or not entry.has_run:
            rows.append(_row(entry.dvc_name, found, None, known))
            continue
        record = read_json(Layout().runs / entry.name / RUN_FILE)
        row = _row(entry.dvc_name, found, record["fingerprint"], known)
        made = models.made_by(entry.stage, entry.key)
        named = ", ".join(model.name for model in made if model.fingerprint in there)
        rows.append(row._replace(models=named))
    return rows


def _artifacts(entry: dvcfile.Entry, late: frozenset[str]) -> str:
    record = Layout().runs / entry.name / RUN_FILE if entry.has_run else Path(entry.outs[0])
    if not record.exists():
        return "missing"
    return "changed" if entry.dvc_name in late else "current"


def _row(name: str, artifacts: str, fingerprint: str | None, known: dict[str, Known]) -> Presence:
    run = known.get(fingerprint or "")
    return Presence(name, artifacts, run.run_id if run else "", run.status if run else "", "")
