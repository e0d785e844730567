"""The frame of every stage: checked parameters, outputs that appear whole or not at all, a record.

def main(stage: Stage) -> None: ...

if __name__ == "__main__":
    run("train", main)
"""

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import graph, params, process
from pipeline.artifacts import Layout
from pipeline.errors import UserError
from pipeline.params import Params
from pipeline.spool import LAST, Follower, Spool

SCRATCH = Path(".convoy")
PARAMS_FILE = Path("params.yaml")


@dataclass(frozen=True)
class Stage:
    """What a stage's `main` is given."""

    key: str
    """The member or recipe it is about; empty for a stage that runs once."""
    params: Params
    inputs: Layout
    outputs: Layout
    """A staging folder: what is written here is moved into place when `main` returns."""
    scratch: Path
    """An empty folder for files that are no result."""
    work: Path
    """Kept when the stage is killed, and there again if the same work is begun anew: same code,
    parameters and data."""
    spool: Spool


def run(name: str, main: Callable[[Stage], None]) -> None:
    """Run stage `name` for the key on the command line, and exit.

    Exit status: 0 done; 1 a user's mistake, told in one line; 128 + n ended by signal n.
    """
    process.prepare()
    try:
        tree = params.read(PARAMS_FILE)
        checked = params.parse(tree, str(PARAMS_FILE))
        key = sys.argv[1] if len(sys.argv) > 1 else ""
        _run(graph.entry(name, key, tree), tree, checked, main)
    except UserError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _run(
    entry: graph.Entry, tree: dict[str, Any], checked: Params, main: Callable[[Stage], None]
) -> None:
    place = _emptied(SCRATCH / "staging" / entry.name)
    scratch = _emptied(SCRATCH / "scratch" / entry.name)
    outputs = Layout(place)
    identity = _identity(entry, tree)
    work = _kept(_work(entry, identity["fingerprint"]))
    spool = Spool(scratch / "run")
    spool.open(entry.name, identity)
    is_followed = checked.tracking.live or entry.stage in LAST
    with Follower(spool.folder) if is_followed else nullcontext() as follower:
        main(Stage(entry.key, checked, Layout(), outputs, scratch, work, spool))
        shutil.copytree(spool.folder, outputs.runs / entry.name)
        _move_into_place(entry, place)
        if follower:
            follower.finish(Layout().runs / entry.name)
    for folder in (scratch, place, work):
        shutil.rmtree(folder)


def _identity(entry: graph.Entry, tree: dict[str, Any]) -> dict[str, Any]:
    return {
        "stage": entry.stage,
        "key": entry.key,
        "fingerprint": entry.fingerprint(tree),
        "params": {k: str(v) for k, v in entry.settings(tree).items()},
        "outs": [out for out in entry.outs if not out.startswith("artifacts/runs/")],
    }


def _move_into_place(entry: graph.Entry, place: Path) -> None:
    """Rename every declared output; nothing that is half-written can be taken for a result."""
    missing = [out for out in entry.outs if not (place / out).exists()]
    if missing:
        raise RuntimeError(f"{entry.name} did not write {missing}, which dvc.yaml declares")
    for out in map(Path, entry.outs):
        if out.is_dir():
            shutil.rmtree(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        os.replace(place / out, out)  # noqa: PTH105  # Path.replace cannot say it is atomic


def _work(entry: graph.Entry, fingerprint: str) -> Path:
    """The folder for this very work."""
    return SCRATCH / "work" / entry.name / fingerprint[:16]


def _kept(own: Path) -> Path:
    """What other work of the entry left behind is removed."""
    for other in set(own.parent.glob("*")) - {own}:
        shutil.rmtree(other)
    own.mkdir(parents=True, exist_ok=True)
    return own


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
