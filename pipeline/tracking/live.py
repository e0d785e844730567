"""Shows a run, and those nested in it, while their stage writes them."""

import time
from contextlib import suppress
from pathlib import Path

from pipeline.core.run_log import METRICS_FILE, RUN_FILE, Spool
from pipeline.tracking.ahead import ahead, status
from pipeline.tracking.document import is_shown
from pipeline.tracking.entities import Dated
from pipeline.tracking.machine import Machine
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.points import new
from pipeline.tracking.times import Times

ENDED = ("COMPLETE", "PRUNED", "FAIL")
"""States of a trial whose run is over, though its search goes on."""


class LiveRuns:
    """A run in a folder, those nested in it and those that its stage works ahead on."""

    def __init__(self, mirror: Mirror, folder: Path, machine: Machine) -> None:
        self._mirror, self._folder, self._machine = mirror, folder, machine
        self._shown: dict[Path, LiveRun] = {}
        self._ahead: set[Path] = set()
        if mirror.workspace.state:
            mirror.reopen(mirror.begin(mirror.workspace.state))

    def push(self) -> None:
        """Push what has been written since the last time; nothing once the stage has moved it."""
        parent = self._mirror.workspace.state_fingerprint
        with suppress(FileNotFoundError):
            self._push(self._folder, parent)
            self._shown[self._folder].add(self._machine.points())
            for folder in ahead(self._folder):
                self._push(folder, parent)
                self._ahead.add(folder)

    def end(self, how: str) -> None:
        """Close those that are not closed yet."""
        for run in reversed(self._shown.values()):
            run.end(how)

    def end_ahead(self) -> None:
        """Close those of other entries, each by whether its fit has succeeded."""
        for folder in self._ahead:
            if folder.parent.is_dir():  # otherwise its entry has taken it meanwhile
                self._shown[folder].end(status(folder))

    def _push(self, folder: Path, parent: str | None) -> None:
        if folder not in self._shown:
            self._shown[folder] = LiveRun(self._mirror, folder, parent)
        self._shown[folder].push()
        for path in sorted(folder.glob(f"*/{RUN_FILE}")):
            self._push(path.parent, self._shown[folder].fingerprint)


class LiveRun:
    """One run that is being written."""

    def __init__(self, mirror: Mirror, folder: Path, parent: str | None) -> None:
        self._mirror, self._spool = mirror, Spool(folder)
        document = mirror.workspace.document(folder, parent)
        self.fingerprint = document.fingerprint
        self._run_id = mirror.begin(document)
        mirror.reopen(self._run_id)
        mirror.store.log(self._run_id, params=document.params)
        self._seen, self._times = mirror.store.seen(self._run_id), Times(self.fingerprint)
        self._size, self._is_open = 0, True

    def push(self) -> None:
        """Push the metrics that are new, and close the run if it has ended."""
        size = (self._spool.folder / METRICS_FILE).stat().st_size
        if self._is_open and size != self._size:
            self._push_new()
            self._size = size
        tags = self._spool.tags if self._is_open else {}
        state = tags.get("state")
        if state in ENDED:
            self._mirror.store.log(self._run_id, tags=tags)
            self.end("FAILED" if state == "FAIL" else "FINISHED")

    def _push_new(self) -> None:
        now_ms = round(time.time() * 1000)
        shown = [figure for figure in self._spool.figures() if is_shown(figure.step)]
        points = [Dated(figure, self._times.get(figure.step, now_ms)) for figure in shown]
        points = new(points, self._seen)
        self._times.note((point.figure.step for point in points), now_ms)
        self.add(points)
        self._seen = self._seen._replace(points=(*self._seen.points, *points))

    def add(self, points: list[Dated]) -> None:
        """Add points to the run."""
        self._mirror.store.log(self._run_id, points)

    def end(self, status: str) -> None:
        """Close the run once."""
        if self._is_open:
            self._mirror.end(self.fingerprint, status)
            self._is_open = False
