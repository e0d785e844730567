"""Outputs of entries that were removed: of members, recipes or students that params.yaml had once.

DVC leaves them where they are, also inside folders on which stages depend. The hash of such a
folder then differs from its hash in a fresh clone, where those stages would run again.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.dvcfile import Entry, entries, locked_stages


def remove_outputs(below: Entry, tree: dict[str, Any]) -> None:
    """Remove what removed entries have left below the dependencies of an entry.

    DVC's cache keeps it, so that an entry that is added again is restored; what the cache lacks is
    left and named.

    Args:
        tree: the content of params.yaml.
    """
    present = entries(tree)
    outs = {out for entry in present for out in entry.outs}
    shared = [dep for dep in below.deps if any(_is_below(out, dep) for out in outs)]
    if not shared:
        return
    names, cache = {entry.dvc_name for entry in present}, None
    for path, digest in _left({k: v for k, v in locked_stages().items() if k not in names}, shared):
        if path not in outs and Path(path).exists():
            cache = cache or _cache()
            if (cache / digest[:2] / digest[2:]).is_file():
                _remove(Path(path))
            else:
                print(
                    f"{path}: belongs to an entry that params.yaml no longer has, and DVC's cache "
                    "lacks it; delete it, or a fresh clone will run later stages again"
                )


def _left(gone: dict[str, Any], shared: list[str]) -> Iterator[tuple[str, str]]:
    """Yield path and hash of all outputs of the entries that have one below a shared folder."""
    for spec in gone.values():
        found = [(out["path"], out.get("md5", "")) for out in spec.get("outs", ())]
        if any(_is_below(path, folder) for path, _ in found for folder in shared):
            yield from found


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _cache() -> Path:
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(told.stdout.strip()) / "files" / "md5"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
