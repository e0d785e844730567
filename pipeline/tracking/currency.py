"""Which entries' artifacts belong to the present parameters, code and data."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.config.components import STAGE, outdated
from pipeline.config.load import parse_params
from pipeline.core import dvcfile
from pipeline.core.changed import not_current
from pipeline.core.files import read_json
from pipeline.core.paths import PARAMS_FILE, Layout
from pipeline.core.run_log import RUN_FILE


def stale(tree: dict[str, Any]) -> frozenset[str]:
    """Return DVC's names of the entries that are not up to date.

    DVC knows, except for stages that were started by hand: those are compared with what they have
    recorded themselves, which takes a look at all of their inputs. So are those that build on the
    hashes of components: DVC will take these again after an edit, and most will be as they were.
    """
    doubtful, params = not_current(), parse_params(tree, f"{PARAMS_FILE}")
    lost = {Path(path) for path in outdated(params, Layout())}
    above = {folder for path in lost for folder in path.parents}
    found = {STAGE} if lost else set[str]()
    for entry in dvcfile.entries(tree):  # in dvc.yaml, what is built on others comes after them
        if entry.dvc_name not in doubtful or entry.stage == STAGE:
            continue
        if _builds_on(entry.deps, lost, above) or not _is_own(entry, tree):
            found.add(entry.dvc_name)
            outs = {Path(out) for out in entry.outs}
            lost |= outs
            above |= {folder for out in outs for folder in out.parents}
    return frozenset(found)


def _is_own(entry: dvcfile.Entry, tree: dict[str, Any]) -> bool:
    record = Layout().runs / entry.name / RUN_FILE
    return record.is_file() and bool(read_json(record)["fingerprint"] == entry.fingerprint(tree))


def _builds_on(deps: Iterable[str], lost: set[Path], above: set[Path]) -> bool:
    """Return whether an input is a lost output, lies in one, or holds one."""
    return any(dep in above or not lost.isdisjoint((dep, *dep.parents)) for dep in map(Path, deps))
