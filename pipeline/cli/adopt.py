"""`convoy adopt`: keep what was trained before an upgrade of Convoy.

An upgrade changes code, and DVC would run the stages again that depend on it. Where the new code
computes the same results, this command accepts the existing outputs as current instead.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from pipeline.config.components import STAGE as COMPONENTS
from pipeline.config.load import load_params
from pipeline.core import dvcfile
from pipeline.core.errors import UserError, nearest
from pipeline.core.files import read_json, read_yaml
from pipeline.core.git import git
from pipeline.core.paths import CODE, PARAMS_FILE, Layout
from pipeline.core.run_log import ADOPTED, Spool

CODE_FOLDERS = ("pipeline/", "stages/")


class Change(NamedTuple):
    """The changes for which DVC would run an entry again."""

    entry: dvcfile.Entry
    code: list[str]
    others: list[str]
    """Changed data, parameters and outputs."""


def adopt(
    stages: Annotated[
        list[str] | None, typer.Argument(help="Entries to adopt, such as train@cnn_1.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Adopt every entry in which only code has changed.")
    ] = False,
    verify: Annotated[
        str | None, typer.Option(help="An entry to compute again first, to compare the results.")
    ] = None,
) -> None:
    """Accept outputs as current where nothing but code has changed; without names, list them."""
    load_params(PARAMS_FILE)
    _dvc("repro", "--force", COMPONENTS)  # half a second, and shows which searches are concerned
    changes = _changes()
    able = {name: change for name, change in changes.items() if not change.others}
    for name, change in able.items():
        print(f"{name}: code changed in {len(change.code)} dependencies: {', '.join(change.code)}")
    for name in stages or ():
        _refuse_unless_able(name, changes)
    if verify:
        _verify(verify)
    chosen = list(able) if every else list(stages or ())
    if not chosen:
        print(f"{len(able)} entries can be adopted; name them, or pass --all")
        return
    commit = git("rev-parse", "--short=12", "HEAD") or "no commit"
    for name in chosen:
        spool = Spool(Layout().runs / changes[name].entry.name)
        spool.tag({f"{ADOPTED}_at": commit, f"{ADOPTED}_code": " ".join(able[name].code)})
    _dvc("commit", "--force", *chosen)
    print(f"adopted at {commit}: {', '.join(chosen)}")


def _changes() -> dict[str, Change]:
    """Return the changes of each entry itself, by DVC's name for it."""
    entries, found = _entries(), {}
    for name, reasons in json.loads(_dvc("status", "--json")).items():
        if name not in entries:
            continue
        parts = [part for part in reasons if isinstance(part, dict)]
        deps, outs = (
            [path for part in parts for path in part.get(kind, ())]
            for kind in ("changed deps", "changed outs")
        )
        code = [dep for dep in deps if dep.startswith(CODE_FOLDERS) or dep == "pipeline"]
        hashes = [dep for dep in deps if dep == f"{Layout().components(entries[name].key)}"]
        others = [dep for dep in deps if dep not in (*code, *hashes)] + outs
        others += [part for part in reasons if isinstance(part, str)]
        code += [file for dep in hashes for file in _changed_components(dep, entries[name])]
        if code or others:
            found[name] = Change(entries[name], code, others)
    return found


def _changed_components(hashes: str, entry: dvcfile.Entry) -> list[str]:
    """Return the components of which an entry was made otherwise, or the file of their hashes."""
    made_of = Layout().search(entry.key) / CODE
    held = read_json(made_of) if made_of.is_file() else {}
    now = read_json(Path(hashes))
    return [file for file in now if held.get(file, now[file]) != now[file]] or [hashes]


def _refuse_unless_able(name: str, changes: dict[str, Change]) -> None:
    if name not in changes:
        raise UserError(f"adopt: got {name!r}, which has not changed; {nearest(name, changes)}")
    if changes[name].others:
        raise UserError(
            f"adopt: {name}: {', '.join(changes[name].others)} changed, not only code; run `dvc "
            f"repro {name}`"
        )


def _verify(name: str) -> None:
    """Compute an entry again, elsewhere, from the existing inputs.

    Raises:
        UserError: no entry has that name, it fails, or its result differs.
    """
    entries = _entries()
    if name not in entries:
        raise UserError(f"adopt: --verify: got {name!r}; {nearest(name, entries)}")
    entry = entries[name]
    with tempfile.TemporaryDirectory(dir=".convoy") as scratch:
        folder = Path(scratch)
        for path in ("pipeline", "stages", "dvc.yaml", "params.yaml", *entry.deps):
            link = folder / path
            if not any(parent.is_symlink() for parent in (link, *link.parents)):
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(Path(path).resolve())
        command = [sys.executable, "-m", f"stages.{entry.stage}", *filter(None, [entry.key])]
        env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        if subprocess.run(command, cwd=folder, env=env, check=False).returncode:
            raise UserError(f"adopt: {name}: could not be recomputed; see above")
        for out in entry.outs:
            if not out.startswith(dvcfile.RUNS) and _hash(folder / out) != _hash(Path(out)):
                raise UserError(f"adopt: {name}: {out} has changed; run `dvc repro {name}`")
    print(f"{name}: recomputed, with the same results")


def _hash(path: Path) -> dict[str, str]:
    """Return the hash of each file, without the code hashes that an artifact carries."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {
        f"{file.relative_to(path)}": dvcfile.content_hash(file)
        for file in files
        if file.is_file() and file.name != CODE
    }


def _entries() -> dict[str, dvcfile.Entry]:
    """Return the entries by DVC's name for each."""
    return {entry.dvc_name: entry for entry in dvcfile.entries(read_yaml(PARAMS_FILE))}


def _dvc(*arguments: str) -> str:
    done = subprocess.run(["dvc", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"dvc {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
