"""DVC's lock file, which a kill while DVC writes it leaves cut off.

DVC then refuses to work at all. So each stage keeps a copy as it starts, and what the copy and the
file that was cut off say together is restored.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.dvcfile import LOCK
from pipeline.core.paths import SCRATCH

KEPT = SCRATCH / LOCK
ENTRY = re.compile(r"^  \S.*:$", re.MULTILINE)


def keep_copy(lock: Path = LOCK, kept: Path = KEPT) -> None:
    """Copy the lock file, if there is one."""
    if lock.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_name(f"{kept.name}.part")
        shutil.copyfile(lock, unfinished)
        unfinished.replace(kept)


def restore_torn(lock: Path = LOCK, kept: Path = KEPT) -> list[str] | None:
    """Restore the lock file if it cannot be read.

    Returns:
        The names of the entries that it holds then; None where nothing had to be restored, or
        where there is no copy to restore it from.
    """
    if not lock.is_file() or not kept.is_file() or _read(text := lock.read_text()) is not None:
        return None
    whole = _read(kept.read_text())
    if whole is None:
        return None
    *_, last = [0, *(found.start() for found in ENTRY.finditer(text))]
    begun = _read(text[:last]) or {}
    whole["stages"] = {**whole.get("stages", {}), **(begun.get("stages") or {})}
    unfinished = lock.with_name(f"{lock.name}.part")
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(whole, unfinished)
    unfinished.replace(lock)
    return sorted(whole["stages"])


def _read(text: str) -> dict[str, Any] | None:
    try:
        tree = YAML(typ="safe").load(text)
    except YAMLError:
        return None
    return tree if isinstance(tree, dict) else None
