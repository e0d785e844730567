"""The process behind `run_log.Follower`: `python -m pipeline.tracking.follow FOLDER`.

A server that fails is tried again until the stage ends; whoever waits is warned once.
"""

import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

from pipeline.core.run_log import LAST, forget_warning, warn_once
from pipeline.tracking.failures import TrackingError, explained
from pipeline.tracking.live import LiveRuns
from pipeline.tracking.machine import Machine
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.workspace import Workspace

POLL_S = 1.0
ATTEMPTS = 5
AGAIN_S = 10.0  # after the server has failed
LONGEST_S = 600  # from the end of the stage


class Ending:
    """How the stage ends, which it says over standard input."""

    def __init__(self) -> None:
        self.is_known = False

    def comes_within(self, seconds: float) -> bool:
        """Wait for it."""
        return bool(select.select([sys.stdin], [], [], seconds)[0])

    def read(self) -> tuple[str, str]:
        """Return the status of the run, and the folder that it has moved to."""
        self.is_known = True
        word, _, folder = sys.stdin.read().partition(" ")
        return word or "KILLED", folder


def main(folder: Path) -> None:
    """Push metrics as they are written, until the stage ends."""
    ending, machine, is_over = Ending(), Machine(), False
    while not is_over and not ending.is_known:
        is_over = ending.comes_within(0.0)
        if _is_followed(folder, ending, machine):
            break
        ending.comes_within(AGAIN_S)
    forget_warning(folder)


def _is_followed(folder: Path, ending: Ending, machine: Machine) -> bool:
    """Follow the stage to its end; a failing server must not stop it."""
    try:
        with explained():
            _follow(folder, ending, machine)
    except Exception as error:
        said = f"{error}" if isinstance(error, TrackingError) else f"tracking: {error!r}"
        kept = (
            "the metrics are kept in artifacts/runs, and `python -m pipeline sync` will push them"
        )
        warn_once(folder, f"{said}; {kept}")
        return False
    return True


def _follow(folder: Path, ending: Ending, machine: Machine) -> None:
    mirror = Mirror(_running())
    mirror.close_abandoned()
    runs = None if ending.comes_within(0.0) else _show(mirror, folder, ending, machine)
    status, final = ending.read()
    signal.alarm(LONGEST_S)  # no stage waits for a slow server
    if status != "FINISHED":
        runs = runs or LiveRuns(mirror, folder, machine)
        runs.push()
        runs.end_ahead()
        runs.end(status)
        mirror.end_state(status)
        return
    if runs:
        runs.end_ahead()
    if Path(final).name in LAST:
        Mirror().sync()  # also pushes whatever the server has missed earlier
    else:
        _publish(Path(final), mirror.workspace.tree)


def _publish(final: Path, tree: dict[str, Any]) -> None:
    """Mirror a run that has ended, while the next stage begins and may replace its own outputs.

    Args:
        tree: the parameters with which the stage has run, which may be edited meanwhile.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(FileNotFoundError):
            return Mirror(_running(tree)).publish(final)
        sleep(POLL_S)
    return Mirror(_running(tree)).publish(final)


def _show(mirror: Mirror, folder: Path, ending: Ending, machine: Machine) -> LiveRuns:
    """Push what the stage writes, until it ends."""
    runs = LiveRuns(mirror, folder, machine)
    runs.push()
    while not ending.comes_within(POLL_S):
        runs.push()
    return runs


def _running(tree: dict[str, Any] | None = None) -> Workspace:
    """Return the workspace of a pipeline that runs, whose comparison may be of another state."""
    return Workspace(frozenset({"evaluate"}), tree)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
