"""Mirrors the artifacts in MLflow: one run for each stage entry, one parent run for each state.

A state is parameters, code and data together. A run that two states share exists once, under the
newer one; the parent's `runs.json` names all runs of its state.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from pipeline.config.load import parse_params
from pipeline.core.dvcfile import content_hash
from pipeline.core.paths import Layout
from pipeline.core.run_log import METRICS_FILE, RUN_FILE
from pipeline.tracking.champion import Standing, Standings
from pipeline.tracking.currency import stale
from pipeline.tracking.document import Document
from pipeline.tracking.entities import Known, Seen
from pipeline.tracking.failures import explained
from pipeline.tracking.locks import locked
from pipeline.tracking.logged_models import LoggedModels
from pipeline.tracking.points import contradicts, dated, new
from pipeline.tracking.processes import PROCESS, is_gone, own
from pipeline.tracking.state import NOTE, RUN_ID
from pipeline.tracking.store import NAME, PARENT, Store
from pipeline.tracking.times import Times
from pipeline.tracking.workspace import Workspace

PUSHED = "convoy.pushed"
"""Marks a run with the digest of what it says, so that pushing it again costs nothing."""
REGISTRY = "the model registry: "
NAMED = "convoy.runs"
"""Marks the run of a state with the digest of its `runs.json`."""


class Mirror:
    """The artifacts of the working directory as MLflow runs.

    Raises:
        TrackingError: from any method, where the server does not accept something; nothing is lost,
            as all of it can be pushed later.
    """

    def __init__(self, workspace: Workspace | None = None) -> None:
        self.workspace = workspace or Workspace()
        params = parse_params(self.workspace.tree, "params.yaml")
        self._settings, self._serving = params.tracking, params.serving
        self.store = Store(self._settings.experiment)
        self._runs: dict[str, Known] = {}
        self._is_alone = False
        self._models = LoggedModels(self.store)

    def sync(self) -> int:
        """Mirror every entry that is up to date and has run; return the number of their runs."""
        with explained(), self._alone():
            return self._sync()

    def _sync(self) -> int:
        if not self._is_in_sync():
            self.workspace = Workspace(stale(self.workspace.tree))
        state, entries = self.workspace.state, self.workspace.entries
        if state is None:
            return 0
        for document in entries:
            self.push(document)
        self.push(state)
        self._models.describe(self.workspace.models.all)
        self._attach_names(state, entries)
        with explained(REGISTRY):
            self._register(entries)
            self._place_models()
        return 1 + len(entries)

    def _is_in_sync(self) -> bool:
        """Return whether all artifacts are mirrored, those of the state with its figures."""
        state = self.workspace.state
        documents = [state, *self.workspace.entries] if state else []
        return all(self._is_pushed(document) for document in documents)

    @property
    def is_at_rest(self) -> bool:
        """Whether no run was open at the last look."""
        return all(known.status != "RUNNING" for known in self._runs.values())

    def publish(self, folder: Path) -> None:
        """Mirror the run of one entry, which has ended, and those nested in it.

        A run about models that are not mirrored yet is completed by `sync`.
        """
        with explained(), self._alone():
            documents = self.workspace.of_entry(folder)
            for document in documents:
                self.push(document, self._models.has_all(document.about))
            self.end_state("FINISHED")
            with explained(REGISTRY):
                self._register(documents)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes of this repository from pushing the same points."""
        with locked("mirror"):
            self.close_abandoned()
            self._is_alone = True
            yield

    def begin(self, document: Document) -> str:
        """Find or create a run, RUNNING where it is new; return its id."""
        known = self._runs.get(document.fingerprint)
        if known is None:
            tags = {**document.tags, **self._parent(document)}
            with locked("tracking"):
                run_id = None if self._is_alone else self.store.find(document.fingerprint)
                held = {} if run_id else {**tags, NAME: document.name}
                run_id = run_id or self.store.create(
                    document.name,
                    document.fingerprint,
                    tags,
                    _changed_s(document.begun or document.folder / RUN_FILE),
                )
            known = self._runs[document.fingerprint] = Known(run_id, "RUNNING", held)
        return known.run_id

    def push(self, document: Document, is_whole: bool = True) -> None:
        """Bring one run to what its document says, if it does not say that already.

        Args:
            is_whole: whether nothing is left for a later push.
        """
        if self._is_pushed(document):
            return
        run_id, seen = self._begin_again(document)
        parent, times = self._parent(document), Times(document.fingerprint)
        self._models.link(run_id, document, seen)
        self._attach(run_id, document)
        ended_s = ended(document)
        measured = self._models.measured_by(document)
        points = dated(document.figures, seen, times, ended_s)
        if not measured:  # what is about a model is stored twice, of which one may be missing
            points = new(points, seen)
        # The mark comes last, so that a push that was cut off is repeated.
        marks = {PUSHED: document.digest if is_whole else "", NAME: document.name}
        tags = {**_with_id(document.tags, run_id), **parent, **marks}
        held = self._runs[document.fingerprint].tags
        changed = {key: value for key, value in tags.items() if held.get(key) != value}
        self.store.log(run_id, points, document.params, changed, measured)
        self.store.end(run_id, document.status, ended_s)
        times.forget()
        self._runs[document.fingerprint] = Known(run_id, document.status, tags)

    def _begin_again(self, document: Document) -> tuple[str, Seen]:
        """Return a document's run and what it has; begin anew what says something else.

        MLflow replaces no metric. One may differ where an interrupted fit went on elsewhere.
        """
        is_known = document.fingerprint in self._runs
        run_id = self.begin(document)
        seen = self.store.seen(run_id) if is_known else Seen()
        if not contradicts(seen.points, document.figures):
            return run_id, seen
        self.store.remove([run_id])
        del self._runs[document.fingerprint]
        return self.begin(document), Seen()

    def _is_pushed(self, document: Document) -> bool:
        known = self._runs.get(document.fingerprint)
        if known is None or known.status != document.status:
            return False
        parent = self._runs.get(document.parent) if document.parent else None
        if document.parent and (parent is None or known.tags.get(PARENT) != parent.run_id):
            return False
        return known.tags.get(PUSHED) == document.digest

    def end(self, fingerprint: str, status: str) -> None:
        """Close a run whose document is not complete."""
        self.store.end(self._runs[fingerprint].run_id, status)

    def end_state(self, status: str) -> None:
        """Give the run of the state the status of its last run."""
        state = self.workspace.state
        if state and state.fingerprint in self._runs:
            self.end(state.fingerprint, status)

    def reopen(self, run_id: str) -> None:
        """Show a run as RUNNING in this process."""
        self.store.reopen(run_id)
        self.store.log(run_id, tags={PROCESS: own()})

    def close_abandoned(self) -> None:
        """Look up all runs, and mark as killed those whose process on this machine is gone.

        Of runs that were made twice, one is left.
        """
        self._runs = self.store.runs()
        for fingerprint, known in self._runs.items():
            self.store.remove(known.doubles)
            if known.status == "RUNNING" and is_gone(known.tags.get(PROCESS, "")):
                self.store.end(known.run_id, "KILLED")
                self._runs[fingerprint] = known._replace(status="KILLED")

    def _parent(self, document: Document) -> dict[str, str]:
        """Return the tag that nests a run in another, which is created if there is none."""
        if document.parent is None:
            return {}
        state = self.workspace.state
        if document.parent not in self._runs and state and state.fingerprint == document.parent:
            self.begin(state)
        return {PARENT: self._runs[document.parent].run_id}

    def _attach(self, run_id: str, document: Document) -> None:
        """Copy small artifacts and a packaged model, and link the others."""
        if document.outs:
            hashes = {out: f"sha256:{content_hash(Path(out))}" for out in document.outs}
            self.store.attach_json(run_id, hashes, "pointers.json")
        for file in document.files:
            self.store.attach(run_id, file.path, file.folder)
        if len(document.figures) < _num_lines(document.folder / METRICS_FILE):
            self.store.attach(run_id, document.folder / METRICS_FILE)
        if document.tags["convoy.stage"] == "package":
            self.store.attach_folder(run_id, Layout().model, "model")

    def _register(self, documents: list[Document]) -> None:
        """Register the packaged model; the last step, as a login may have no right to it."""
        for document in documents:
            if document.tags["convoy.stage"] == "package":
                run_id = self._runs[document.fingerprint].run_id
                name = self._settings.registered_model
                packaged = self.workspace.models.deployed(self._serving.model)
                version = self.store.registry.register(
                    name, run_id, document.fingerprint, self._described(document.fingerprint)
                )
                if packaged:
                    self._models.name_version(packaged, name, version)

    def _described(self, model: str) -> str:
        """Return how the packaged model of the workspace stands, and what its state found."""
        held = _standings().items()
        known = [f"{alias}: {at.reason}" for alias, at in held if at and at.model == model]
        state = self.workspace.state
        run = self._runs.get(state.fingerprint) if state else None
        found = [_with_id(state.tags, run.run_id)[NOTE]] if state and run else []
        return "\n\n".join(known + found)

    def _place_models(self) -> None:
        """Give the registered models the aliases that `convoy promote` has decided on."""
        for alias, standing in _standings().items():
            model = standing.model if standing else None
            self.store.registry.place(self._settings.registered_model, alias, model)

    def _attach_names(self, state: Document, entries: list[Document]) -> None:
        """Attach the ids of all runs of a state, as its runs may be nested in a newer one."""
        ids = {document.name: self._runs[document.fingerprint].run_id for document in entries}
        digest = sha256(f"{sorted(ids.items())}".encode()).hexdigest()
        known = self._runs[state.fingerprint]
        if known.tags.get(NAMED) != digest:
            self.store.attach_json(known.run_id, ids, "runs.json")
            self.store.log(known.run_id, tags={NAMED: digest})


def _standings() -> dict[str, Standing | None]:
    """Return the models that `convoy promote` has decided on, by their aliases."""
    found = Standings.load()
    return found.by_alias() if found else {}


def _with_id(tags: Mapping[str, str], run_id: str) -> dict[str, str]:
    """Return the tags of a run with its id in the description."""
    found = dict(tags)
    return found | ({NOTE: found[NOTE].replace(RUN_ID, run_id)} if NOTE in found else {})


def _num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def ended(document: Document) -> float | None:
    """Return when a run ended, in seconds; None where it has written nothing.

    A state does not end before it began: DVC's cache may give it an older evaluation.
    """
    last = [document.folder / METRICS_FILE, document.folder / RUN_FILE]
    return _changed_s(*last, *([document.begun] if document.begun else []))


def _changed_s(*paths: Path) -> float | None:
    """Return when the last of these files was changed; None where there is none."""
    return max((path.stat().st_mtime for path in paths if path.is_file()), default=None)
