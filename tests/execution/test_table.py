"""The table of what runs, in a real terminal."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.execution import table
from pipeline.execution.progress import Progress, output_file
from pipeline.execution.table import FitRow, shown
from tests.conftest import ROOT
from tests.execution.toy import execution, toys


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.4, "0 s"), (59.4, "59 s"), (61.0, "1 min"), (3590.0, "1 h 00 min"),
     (3540.0, "59 min"), (7500.0, "2 h 05 min"), (360_000.0, "100 h 00 min")],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert shown(seconds) == text


def test_the_time_left_follows_from_the_epochs_that_were_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit that resumes in epoch 10 is no faster for it."""
    (work,), now = toys(tmp_path, "well"), [100.0]
    monkeypatch.setattr(table.time, "monotonic", lambda: now[0])
    row = FitRow(work, "cpu_0")
    assert row.cells() == ("toy 0", "cpu_0", "", "", "", "")
    for epoch, left in [(10, ""), (11, "18 s"), (15, "10 s"), (20, "0 s")]:
        Progress(epoch, 20, "val/log_loss 0.5", 1234.5).save(Path(work.folder))
        assert row.cells() == (
            "toy 0", "cpu_0", f"{epoch}/20", "val/log_loss 0.5", "1,234", left
        )  # fmt: skip
        now[0] += 2.0 if epoch != 11 else 8.0


def test_what_a_process_prints_is_shown_once(tmp_path: Path) -> None:
    (work,) = toys(tmp_path, "well")
    row, output = FitRow(work, "cpu_0"), output_file(Path(work.folder))
    assert row.new_lines() == ""
    output.parent.mkdir(parents=True)
    for text in ("one\n", "one\ntwo\nthree\n"):
        output.write_text(text)
        assert row.new_lines() == {"one\n": "one"}.get(text, "two\nthree")
    assert row.new_lines() == ""


def test_a_terminal_shows_what_runs_and_what_it_prints(tmp_path: Path) -> None:
    """One line of its own for what the processes print; the table is gone at the end."""
    works = [w.model_copy(update={"prints": "a warning"}) for w in toys(tmp_path, "well", "well")]
    files = []
    for work in works:
        files.append(f"{tmp_path / work.title}.json")
        Path(files[-1]).write_text(work.model_dump_json())
    settings = execution(2).model_dump_json()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tests.execution.command", settings, *files]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}", "TERM": "xterm", "COLUMNS": "100"}
    running = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=theirs, stderr=theirs)
    os.close(theirs)
    printed = b""
    while True:
        try:
            printed += os.read(ours, 10_000)
        except OSError:  # the end of a terminal
            break
    assert running.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", printed.decode())
    assert re.search(r"fit +device +epoch +best so far +images/s +left", text)
    assert re.search(r"toy 1 +cpu_\d +3/5 +val/log_loss 0\.25 +100", text)
    assert "0 of 2 done" in text
    assert text.count("a warning") == 2
    assert printed.rfind(b"\x1b[?25h") > printed.rfind(b"\x1b[?25l")  # the cursor is visible again
