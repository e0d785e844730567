"""The frame of every stage: checked parameters, atomic outputs and a record of the run.

def main(stage: Stage[Params]) -> None: ...

if __name__ == "__main__":
    run("train", parse_params, main)
"""

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from pipeline.core import dvcfile, process
from pipeline.core.environment import environment
from pipeline.core.errors import UserError, full_disk
from pipeline.core.files import read_json, read_yaml
from pipeline.core.interrupt import raise_again
from pipeline.core.lock import hold
from pipeline.core.lock_file import keep_copy
from pipeline.core.paths import PARAMS_FILE, SCRATCH, WORK, Layout
from pipeline.core.removed import remove_outputs
from pipeline.core.run_log import LAST, RUN_FILE, Follower, Spool


@runtime_checkable
class Settings(Protocol):
    """The properties of the checked parameters that the frame itself reads."""

    @property
    def is_live(self) -> bool:
        """Whether each stage is shown in MLflow while it runs."""


P = TypeVar("P", bound=Settings)


class Turn(NamedTuple):
    """The work of one entry of a stage, which another entry may do ahead of it."""

    key: str
    work: Path
    """A folder that survives if the work is killed, see `Stage.work`."""
    run: dict[str, Any]
    """The identity of its run, as `run.json` holds it."""


def turn(stage: str, key: str) -> Turn:
    """Return the work that an entry of dvc.yaml will do, with the present code and inputs."""
    tree = read_yaml(PARAMS_FILE)
    entry = dvcfile.entry(stage, key, tree)
    identity = _identity(entry, tree)
    return Turn(key, _work(entry, identity["fingerprint"]), {"name": entry.name, **identity})


@dataclass(frozen=True)
class Stage(Generic[P]):
    """The context that is passed to a stage's `main`."""

    key: str
    """The member or recipe to work on; empty for a stage that runs once."""
    params: P
    inputs: Layout
    outputs: Layout
    """A staging folder: its contents are moved into place when `main` returns."""
    scratch: Path
    """An empty folder for temporary files."""
    work: Path
    """A folder that survives if the stage is killed, and is there again when the same work (same
    code, parameters and data) restarts."""
    spool: Spool
    deps: tuple[str, ...] = ()
    """The dependencies that dvc.yaml names."""

    @property
    def own(self) -> "Turn":
        """The work of this entry."""
        return Turn(self.key, self.work, read_json(self.spool.folder / RUN_FILE))

    def code(self) -> dict[str, str]:
        """Return the SHA-256 of each file and folder of code that this stage depends on.

        An artifact that carries these hashes changes with the code, so stages that use the artifact
        need not name the code again.
        """
        return {
            dep: dvcfile.content_hash(Path(dep)) for dep in self.deps if dep.startswith("pipeline/")
        }


def run(
    name: str,
    parse: Callable[[dict[str, Any], str], P],
    main: Callable[[Stage[P]], None],
    give_up: Callable[[str, Path], None] = lambda *_: None,
) -> None:
    """Run stage `name` for the key on the command line, and exit.

    Args:
        parse: checks the tree of a parameter file, given that file's name for messages.
        give_up: called with the key and the folder of interrupted work that is no longer wanted,
            before it is removed.

    Exit status: 0 on success; 1 for a user's mistake, reported in one line; 128 + n for signal n.
    """
    process.prepare()
    raise_again()
    try:
        tree = read_yaml(PARAMS_FILE)
        checked = parse(tree, str(PARAMS_FILE))
        key = sys.argv[1] if len(sys.argv) > 1 else ""
        _run(dvcfile.entry(name, key, tree), tree, checked, main, give_up)
    except UserError as error:
        sys.exit(f"{name}: {error}")
    except OSError as error:
        sys.exit(f"{name}: {full_disk(error)}")
    except KeyboardInterrupt:
        sys.exit(130)


def _run(
    entry: dvcfile.Entry,
    tree: dict[str, Any],
    checked: P,
    main: Callable[[Stage[P]], None],
    give_up: Callable[[str, Path], None],
) -> None:
    lock = hold(SCRATCH / "locks" / entry.dvc_name, entry.name)
    keep_copy()
    remove_outputs(entry, tree)
    # A process that outlives a killed run for a moment cannot write into this one.
    # Relative, as the folder of work may have another path on another machine.
    own = Path(os.path.relpath(mkdtemp(dir=_emptied(SCRATCH / "staging" / entry.name))))
    place = own / "outputs"
    scratch = _emptied(SCRATCH / "scratch" / entry.name)
    outputs = Layout(place)
    identity = _identity(entry, tree)
    work = _kept(_work(entry, identity["fingerprint"]), partial(give_up, entry.key))
    spool = Spool(own / "run")
    spool.open(entry.name, identity)
    is_followed = entry.has_run and (checked.is_live or entry.stage in LAST)
    with Follower(spool.folder) if is_followed else nullcontext() as follower:
        main(Stage(entry.key, checked, Layout(), outputs, scratch, work, spool, entry.deps))
        if entry.has_run:
            shutil.copytree(spool.folder, outputs.runs / entry.name)
        _move_into_place(entry, place)
        if follower:
            follower.finish(Layout().runs / entry.name)
    for folder in (scratch, own, work):
        shutil.rmtree(folder)
    lock.close()


def _identity(entry: dvcfile.Entry, tree: dict[str, Any]) -> dict[str, Any]:
    return {
        "stage": entry.stage,
        "key": entry.key,
        "fingerprint": entry.fingerprint(tree),
        "params": {k: str(v) for k, v in entry.settings(tree).items()},
        "outs": [out for out in entry.outs if not out.startswith(dvcfile.RUNS)],
        "tags": environment(),
    }


def _move_into_place(entry: dvcfile.Entry, place: Path) -> None:
    """Rename every declared output, so that no half-written file is taken for a result."""
    missing = [out for out in entry.outs if not (place / out).exists()]
    if missing:
        raise RuntimeError(f"{entry.name} did not write {missing}, which dvc.yaml declares")
    for out in map(Path, entry.outs):
        if out.is_dir():
            shutil.rmtree(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        os.replace(place / out, out)  # noqa: PTH105  # Path.replace cannot say it is atomic


def _work(entry: dvcfile.Entry, fingerprint: str) -> Path:
    """Return the folder for exactly this work."""
    return WORK / entry.name / fingerprint[:16]


def _kept(own: Path, give_up: Callable[[Path], None]) -> Path:
    """Return the folder, after removing those of other work of the same entry."""
    for other in set(own.parent.glob("*")) - {own}:
        give_up(other)
        shutil.rmtree(other)
    own.mkdir(parents=True, exist_ok=True)
    return own


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
