"""Shows in a terminal what runs: a row for each fit, and the time left for all of them.

Elsewhere nothing is drawn, and the processes print a line for each epoch.
"""

import sys
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.execution.progress import TABLE, Progress, output_file
from pipeline.execution.work import Work

REFRESH_S = 0.5
COLUMNS = ("fit", "device", "epoch", "best so far", "images/s", "left")


class FitRow:
    """What is shown of some work that has a place."""

    def __init__(self, work: Work, place: str) -> None:
        self._title, self._place, self._folder = work.title, place, Path(work.folder)
        self._first: tuple[float, int] | None = None
        self._printed = 0
        output_file(self._folder).unlink(missing_ok=True)

    def cells(self) -> tuple[str, ...]:
        """Return a cell for each of `COLUMNS`."""
        now = Progress.load(self._folder)
        if now is None:
            return self._title, self._place, "", "", "", ""
        epoch, speed = f"{now.epoch}/{now.num_epochs}", f"{now.images_per_s:,.0f}"
        return self._title, self._place, epoch, now.figure, speed, shown(self.left_s())

    def left_s(self) -> float | None:
        """Estimate the time left, from the epochs since the first one that was seen to end."""
        now, now_s = Progress.load(self._folder), time.monotonic()
        if now is None:
            return None
        self._first = self._first or (now_s, now.epoch)
        begun_s, first = self._first
        if now.epoch == first:
            return None
        return (now_s - begun_s) / (now.epoch - first) * (now.num_epochs - now.epoch)

    def new_lines(self) -> str:
        """Return what its processes have printed since the last call."""
        path = output_file(self._folder)
        text = path.read_text(errors="replace") if path.exists() else ""
        new, self._printed = text[self._printed :], len(text)
        return new.rstrip("\n")


class LiveTable:
    """The table of all that runs at the moment; does nothing where no terminal shows it.

    Args:
        width: how many fits run at once.
        is_shown: whether the folders of what runs lie on a disk of this machine.
    """

    def __init__(self, width: int, is_shown: bool = True) -> None:
        self._width, self._rows = width, dict[str, FitRow]()
        self._begun_s, self._shown_s = time.monotonic(), 0.0
        self.num_done, self.num_all = 0, 0
        self._live: Live | None = None
        if is_shown and sys.stderr.isatty():
            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that keep the processes from drawing bars of their own."""
        return {TABLE: "1"} if self._live else {}

    def add(self, work: Work, place: str) -> None:
        """Show a row for some work that begins."""
        if self._live:
            self._rows[work.folder] = FitRow(work, place)

    def remove(self, work: Work) -> None:
        """Print what is left to print of some work that has ended, and remove its row."""
        self.num_done += 1
        if self._live:
            self._print(self._rows.pop(work.folder))

    def refresh(self) -> None:
        """Draw the table again, if that is due."""
        if not self._live or time.monotonic() - self._shown_s < REFRESH_S:
            return
        self._shown_s = time.monotonic()
        for row in self._rows.values():
            self._print(row)
        self._live.update(self._table(), refresh=True)

    def close(self) -> None:
        """Leave the terminal without the table."""
        if self._live:
            self._live.stop()

    def _print(self, row: FitRow) -> None:
        if self._live and (lines := row.new_lines()):
            self._live.console.print(lines, markup=False, highlight=False)

    def _table(self) -> Table:
        table = Table(*COLUMNS, box=box.SIMPLE, caption=self._caption(), caption_justify="left")
        for row in self._rows.values():
            table.add_row(*row.cells())
        return table

    def _caption(self) -> str:
        known = f" of {self.num_all}" if self.num_all else ""
        left = shown(self._left_s())
        return f"{self.num_done}{known} done" + (f", about {left} left" if left else "")

    def _left_s(self) -> float | None:
        """Estimate the time until all is done: what does not run yet takes as long as the rest."""
        running = [row.left_s() for row in self._rows.values()]
        lefts = [left for left in running if left is not None]
        if not self.num_all or len(lefts) < len(running):
            return None
        waiting = self.num_all - self.num_done - len(running)
        if not waiting:
            return max(lefts, default=0.0)
        if not self.num_done:
            return None
        each = (time.monotonic() - self._begun_s) * self._width / (self.num_done + len(lefts))
        return (sum(lefts) + waiting * each) / self._width


def shown(seconds: float | None) -> str:
    """Spell a duration, such as 1 h 02 min; an empty text where it is not known."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
