"""Which entries of the pipeline have changed, asked of DVC without its lock.

    python -m pipeline.core.changed

Another command of DVC would fail if it found the lock taken. DVC is asked in a process of its own,
as it takes a second to import.
"""

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc.stage import Stage


def not_current() -> frozenset[str]:
    """Return DVC's names of the entries that are not up to date, or that build on such a one.

    Raises:
        OSError: DVC does not tell.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(f"DVC does not tell what has changed: {done.stderr.strip()[-200:]}")
    return frozenset(json.loads(done.stdout))


def has_changed(step: "Stage") -> bool:
    """Return whether an entry itself has changed: its command, an input, or an output."""
    parts = (*step.deps, *step.outs)
    return step.changed_stage() or any(part.status() for part in parts)


def be_quiet() -> None:
    """Keep DVC from printing what it looks up."""
    logging.getLogger("dvc").setLevel(logging.WARNING)


def main() -> list[str]:
    """Ask DVC, in this process; see `not_current`."""
    from dvc.repo import Repo
    from networkx import descendants

    be_quiet()
    graph = Repo().index.graph
    steps = [step for step in graph if step.addressing and step.cmd]
    changed = {step for step in steps if has_changed(step)}
    return sorted(s.addressing for s in steps if s in changed or changed & descendants(graph, s))


if __name__ == "__main__":
    print(json.dumps(main()))
