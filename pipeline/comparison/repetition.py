"""Repeat what a commit computed, and compare every output and every figure."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.comparison.clone import Clone
from pipeline.comparison.contents import DIFFERENT, difference
from pipeline.comparison.revisions import WORKSPACE, holding, resolve
from pipeline.core.dvcfile import LOCK, RUNS, Entry, ensembles_in, locked_stages
from pipeline.core.environment import PREFIX
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.git import git
from pipeline.core.lock import hold
from pipeline.core.paths import SCRATCH, Layout
from pipeline.core.run_log import RUN_FILE
from pipeline.core.tree import flatten

FLOAT_NOISE = 1e-5
"""Relative differences up to this are what another order of additions makes of fp32."""
FIGURES = Layout().metrics


class Output(NamedTuple):
    """One output of the commit beside that of its repetition."""

    entry: str
    path: str
    difference: float
    """The largest relative difference of its numbers; 0 for identical, inf where more differs."""
    file: str
    """The file that differs most."""

    @property
    def is_noise(self) -> bool:
        return 0 < self.difference <= FLOAT_NOISE

    def __str__(self) -> str:
        if not self.difference:
            return "identical"
        name = f"{self.path}/{self.file}" if self.file else self.path
        if self.difference == DIFFERENT:
            return f"different: {name}"
        said = "within float noise" if self.is_noise else "different"
        return f"{said}: up to {self.difference:.1e} of a number in {name}"


class Repetition(NamedTuple):
    """What a repetition has found."""

    outputs: list[Output]
    """In the order of the graph."""
    num_figures: int
    environments: dict[str, tuple[str, str]]
    """What differs between the environments of the first entry that differs: then and now."""

    @property
    def is_reproduced(self) -> bool:
        """Whether all is identical, or within float noise."""
        return all(output.difference <= FLOAT_NOISE for output in self.outputs)

    @property
    def first(self) -> Output | None:
        """The first output in the graph that differs."""
        return next((output for output in self.outputs if output.difference), None)

    def sentences(self) -> Iterator[str]:
        """Say what was found, and what may be the reason for a difference."""
        largest = max((output.difference for output in self.outputs), default=0.0)
        if not self.first:
            yield (
                f"identical: all {len(self.outputs)} outputs, among them {self.num_figures} figures"
            )
            return
        if self.is_reproduced:
            yield f"reproduced within float noise: no number differs by more than {largest:.1e}"
        else:
            yield "not reproduced"
        yield f"the first difference in the graph: {self.first.entry}: {self.first}"
        for name, (then, now) in self.environments.items():
            yield f"{name} was {then} and is {now} here"


def commit_of(name: str, experiment: str) -> str:
    """Return the commit that a revision, an experiment of DVC or a run of MLflow stands for.

    Raises:
        UserError: nothing has that name, or its results are not committed.
    """
    commit = resolve(name, experiment).commit or _head(name)
    return git("rev-parse", f"{commit}^{{commit}}") or commit


def _head(name: str) -> str:
    committed, own = git("show", f"HEAD:{LOCK}"), LOCK.read_text() if LOCK.is_file() else ""
    if own and committed == own.strip():
        return "HEAD"
    # The workspace may have gone on from the ensembles of a run that are committed.
    ensembles = ensembles_in(locked_stages()) if name != WORKSPACE else None
    commit = holding(ensembles) if ensembles else None
    if commit:
        return commit
    raise UserError(
        f"{name}: its results are not committed; commit {LOCK} with the code and params.yaml"
    )


def repeat(commit: str) -> Repetition:
    """Run the pipeline of a commit in a clean clone, which is removed if all is identical.

    Raises:
        UserError: the commit cannot be run, its inputs are gone or have changed, another process
            runs it, or DVC's cache lacks what it gave.
    """
    folder = SCRATCH / "reproduce" / commit[:12]
    with hold(SCRATCH / f"reproduce-{commit[:12]}.lock", f"reproduce {commit[:12]}"):
        return _repeat(commit, folder)


def _repeat(commit: str, folder: Path) -> Repetition:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    clone = Clone(commit, folder)
    clone.check_inputs()
    print(f"running {commit[:12]} again in {folder}", flush=True)
    clone.repeat()
    found = compared(clone)
    if not found.first:
        shutil.rmtree(folder)
    return found


def compared(clone: Clone) -> Repetition:
    """Compare every output of a clone in which all stages have run.

    Entries that had not run at the commit are left out.
    """
    lock = locked_stages(clone.folder / LOCK)
    known = [entry for entry in clone.entries if entry.dvc_name in clone.lock]
    outputs = [_output(clone, entry, out, lock) for entry in known for out in sorted(entry.outs)]
    ran = {entry.dvc_name for entry in known if entry.has_run}
    differing = next((one for one in outputs if one.difference and one.entry in ran), None)
    is_measured = any(output.path == f"{FIGURES}" for output in outputs)
    figures = sorted((clone.folder / FIGURES).glob("*.json")) if is_measured else []
    return Repetition(
        outputs,
        sum(len(flatten(read_json(path))) for path in figures),
        _environments(clone, differing.entry) if differing else {},
    )


def _output(clone: Clone, entry: Entry, out: str, lock: dict[str, Any]) -> Output:
    name = entry.dvc_name
    made = _made(clone.lock, name, out)
    if made == _made(lock, name, out):
        return Output(name, out, 0.0, "")
    if made is None:
        return Output(name, out, DIFFERENT, "")
    root, original = clone.folder / out, clone.original(out)
    new = {f"{path.relative_to(root)}" for path in root.rglob("*") if path.is_file()}
    if root.is_file():
        return Output(name, out, difference(original[root.name], root, root.name), "")
    if new != original.keys():
        return Output(name, out, DIFFERENT, min(new ^ original.keys()))
    found = {file: difference(original[file], root / file, file) for file in sorted(new)}
    most = max(found, key=lambda file: found[file])
    return Output(name, out, found[most], most)


def _made(lock: dict[str, Any], entry: str, out: str) -> str | None:
    outs = lock.get(entry, {}).get("outs", ())
    return next((each["md5"] for each in outs if each["path"] == out), None)


def _environments(clone: Clone, entry: str) -> dict[str, tuple[str, str]]:
    """Return what the environment of an entry was, and is, where these differ."""
    out = RUNS + entry.replace("@", "/")
    old = read_json(clone.original(out)[RUN_FILE]).get("tags", {})
    new = read_json(clone.folder / out / RUN_FILE).get("tags", {})
    names = sorted(name for name in {*old, *new} if name.startswith(PREFIX))
    return {
        name.removeprefix(PREFIX).replace("_", " "): (old.get(name, "unknown"), new[name])
        for name in names
        if name in new and old.get(name) != new[name]
    }
