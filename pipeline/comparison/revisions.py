"""The states that `compare` accepts: git revisions, DVC experiments, MLflow runs, the workspace."""

import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config.distillation import ENSEMBLE
from pipeline.config.networks import model_in
from pipeline.core.dvcfile import LOCK, content_hash, ensembles_in, locked_stages
from pipeline.core.errors import UserError, nearest
from pipeline.core.files import read_yaml
from pipeline.core.git import git
from pipeline.core.paths import PARAMS_FILE
from pipeline.tracking.failures import TrackingError
from pipeline.tracking.state import ENSEMBLES, LOCKED, lock_hash
from pipeline.tracking.store import Store

WORKSPACE = "workspace"
NEEDED = (
    "params.yaml",
    "artifacts/ensemble",
    "artifacts/predictions",
    "data/processed/card.json",
    "data/processed/test/samples.csv",
)
STUDENTS = "artifacts/distilled"
"""What is needed, too, of a state that deploys a student."""
EXPERIMENTS = "refs/exps"


class State(NamedTuple):
    """One state of the pipeline."""

    name: str
    """The name that the user gave."""
    commit: str | None
    """None for the state in the working directory."""


def resolve(name: str, experiment: str) -> State:
    """Find the commit that a name refers to.

    Args:
        experiment: the MLflow experiment in which to look for runs.

    Raises:
        UserError: nothing has that name, or no commit holds the results of an MLflow run.
    """
    if name == WORKSPACE:
        return State(name, None)
    experiments = _experiments()
    commit = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") or experiments.get(name)
    if commit:
        return State(name, commit)
    if re.fullmatch("[0-9a-f]{32}", name):
        return State(name, _of_run(name, experiment))
    branches = (git("branch", "--format=%(refname:short)") or "").split()
    hint = nearest(name, [WORKSPACE, *experiments, *branches])
    raise UserError(f"got {name!r}, which is not a revision, experiment or MLflow run; {hint}")


def fetch(state: State, folder: Path) -> Path:
    """Return a folder with the artifacts of a state; those of a commit come from DVC's cache.

    Raises:
        UserError: the commit has no results, or they are not in the cache.
    """
    if state.commit is None:
        missing = [path for path in needed_in(Path()) if not Path(path).exists()]
        if missing:
            raise UserError(f"workspace: {missing[0]} is missing; run `dvc repro`")
        return Path()
    from dvc.api import DVCFileSystem  # takes 1 s to import

    files = DVCFileSystem(rev=state.commit)
    for path in NEEDED:
        _get(files, path, state, folder)
    for path in needed_in(folder)[len(NEEDED) :]:
        _get(files, path, state, folder)
    return folder


def needed_in(folder: Path) -> tuple[str, ...]:
    """Return what a comparison needs of a state, whose parameters are there."""
    return NEEDED if _model(folder) == ENSEMBLE else (*NEEDED, STUDENTS)


def _results(folder: Path) -> list[str]:
    """Return what a state deploys, and the hashes of its results."""
    results = [path for path in needed_in(folder) if path != "params.yaml"]
    return [_model(folder), *(content_hash(folder / path) for path in results)]


def _model(folder: Path) -> str:
    params = folder / "params.yaml"
    return model_in(read_yaml(params)) if params.is_file() else ENSEMBLE


def _get(files: Any, path: str, state: State, folder: Path) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    try:
        files.get(path, str(folder / path), recursive=True)
    except Exception as error:  # raised by DVC and the file system, of many kinds
        raise UserError(_lost(state, path, error)) from None
    if not (folder / path).exists():
        raise UserError(_lost(state, path))


def refuse_equal(states: list[State], folders: list[Path]) -> None:
    """Refuse a state with the results of the first, as HEAD and workspace have after a commit.

    Raises:
        UserError: names the two.
    """
    first, *others = map(_results, folders)
    for state, results in zip(states[1:], others, strict=True):
        if results == first:
            raise UserError(
                f"{states[0].name} and {state.name} have the same results; allowed "
                "states that differ, such as `HEAD~1 HEAD`; run `dvc repro` after a change"
            )


def _lost(state: State, path: str, error: Exception | None = None) -> str:
    why = f" ({str(error).splitlines()[0]})" if error and str(error) else ""
    return (
        f"{state.name}: {path} cannot be fetched{why}; commit its dvc.lock and bring "
        "its results into the cache with `dvc pull`, or with `git switch` and `dvc repro`"
    )


def _experiments() -> dict[str, str]:
    """Return the commits of DVC's experiments by name."""
    listed = git("for-each-ref", "--format=%(refname) %(objectname)", EXPERIMENTS) or ""
    named = (line.split() for line in listed.splitlines())
    return {ref.rsplit("/", 1)[1]: commit for ref, commit in named if ref.count("/") == 4}


def _of_run(run_id: str, experiment: str) -> str | None:
    """Return the commit whose dvc.lock names the ensembles of the state that a run belongs to.

    None stands for the working directory. MLflow only identifies the commit: results come from DVC.
    """
    try:
        tags = Store(experiment).tags_of_state(run_id)
    except TrackingError as error:
        raise UserError(f"{run_id}: {error}") from None
    ensembles, lock, own = tags.get(ENSEMBLES), tags.get(LOCKED, ""), locked_stages()
    commit = holding(ensembles, lock) if ensembles else None
    is_committed = commit is not None and _lock_of(commit) == lock
    is_here = ensembles is not None and ensembles == ensembles_in(own)
    if is_here and (_own_hash(own) == lock or not is_committed):
        return None
    if commit:
        return commit
    raise UserError(
        f"{run_id}: no commit holds its results; commit dvc.lock after `dvc repro`, or "
        "keep a state with `dvc exp save --name NAME`"
    )


def holding(ensembles: str, lock: str = "") -> str | None:
    """Return the newest commit, or an experiment's, whose dvc.lock names these ensembles.

    Args:
        lock: the hash of a whole dvc.lock; a commit of that one goes before others, whose members
            were compared in another way.
    """
    commits = [
        *(git("log", "--all", "--format=%H", "--", str(LOCK)) or "").split(),
        *_experiments().values(),
    ]
    found = [commit for commit in commits if ensembles in (git("show", f"{commit}:{LOCK}") or "")]
    exact = (commit for commit in found if lock and _lock_of(commit) == lock)
    return next(exact, None) or next(iter(found), None)


def _lock_of(commit: str) -> str:
    text = git("show", f"{commit}:{LOCK}") or ""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / LOCK.name
        file.write_text(text)
        return lock_hash(locked_stages(file), _tree_of(commit, Path(scratch)))


def _own_hash(stages: dict[str, Any]) -> str:
    return lock_hash(stages, read_yaml(PARAMS_FILE)) if PARAMS_FILE.is_file() else ""


def _tree_of(commit: str, scratch: Path) -> dict[str, Any]:
    file = scratch / PARAMS_FILE.name
    file.write_text(git("show", f"{commit}:{PARAMS_FILE}") or "{}")
    return read_yaml(file)
