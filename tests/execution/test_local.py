"""The engine of one machine: how many at once, what fails, what is done already, and kills."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.core.errors import UserError
from pipeline.execution.engine import open_engine
from pipeline.execution.messages import FitError
from tests.conftest import ROOT
from tests.execution.toy import CPU, Toy, execution, num_begun, toys


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the places of one test are not those of another


def run(works: list[Toy], width: int = 2) -> dict[str, str]:
    """The error of each, by title; empty for those that succeeded."""
    with open_engine(execution(width), CPU) as engine:
        return {work.title: f"{error or ''}" for work, error in engine.run(works)}


def command(folder: Path, width: int, works: list[Toy]) -> "subprocess.Popen[bytes]":
    """Begin a command of its own that runs them."""
    files = []
    for work in works:
        files.append(folder / f"{work.title}.json")
        files[-1].write_text(work.model_dump_json())
    settings = execution(width).model_dump_json()
    module = [sys.executable, "-m", "tests.execution.command", settings, *map(str, files)]
    return subprocess.Popen(module, env={**os.environ, "PYTHONPATH": f"{ROOT}"})


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def test_one_failure_is_reported_and_the_others_finish(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    works = toys(tmp_path, "well", "mistake", "failure", "killed", "again", "well")
    errors = run(works)
    assert sorted(title for title, error in errors.items() if not error) == [
        "toy 0",
        "toy 4",
        "toy 5",
    ]
    assert errors["toy 1"] == "toys: got a mistake; allowed none"
    assert errors["toy 2"] == "toy 2: process 0 failed: ValueError: broken"
    assert "terminated by signal 9 (SIGKILL)" in errors["toy 3"]
    assert [num_begun(work) for work in works] == [1, 1, 1, 1, 3, 1]
    printed = capfd.readouterr()
    assert "attempt 2 was not enough" in printed.out
    assert "Traceback" in printed.err  # of the failure alone, which is no user's mistake
    assert printed.err.count("Traceback") == 1


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    works = toys(tmp_path, "well", "mistake")
    for _ in range(2):
        assert run(works) == {"toy 0": "", "toy 1": "toys: got a mistake; allowed none"}
    assert [num_begun(work) for work in works] == [1, 2]
    assert [work.is_done for work in works] == [True, False]
    turned = works[0].model_copy(update={"run": dict(reversed((works[0].run or {}).items()))})
    assert turned.is_done  # the order of keys is no difference
    other = works[0].model_copy(update={"waits_for": f"{works[0].file}"})
    assert not other.is_done  # the same folder, but other work


def test_as_many_run_at_once_as_there_are_places(tmp_path: Path) -> None:
    """And further work is drawn when one has ended, not earlier."""
    end, drawn = tmp_path / "end", []

    def draw() -> Iterator[Toy]:
        for work in toys(tmp_path, *["well"] * 5, waits_for=end):
            drawn.append(work)
            yield work

    with open_engine(execution(3), CPU) as engine:
        assert engine.width == 3
        pid = os.fork()
        if not pid:  # lets them end once three have begun
            wait_until(lambda: sum(map(num_begun, toys(tmp_path, *["well"] * 5))) == 3)
            end.touch()
            os._exit(0)
        for number, _ in enumerate(engine.run(draw())):
            if not number:
                assert len(drawn) == 3
        assert len(drawn) == 5
    os.waitpid(pid, 0)


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_engine_leaves_no_process_and_keeps_what_was_done(
    blow: signal.Signals, tmp_path: Path
) -> None:
    works = toys(tmp_path, "well", "well", "well")
    works[1:] = [w.model_copy(update={"waits_for": f"{tmp_path / 'end'}"}) for w in works[1:]]
    running = command(tmp_path, 2, works)
    wait_until(lambda: works[0].is_done and num_begun(works[2]) == 1)
    started = [int((Path(work.folder) / "begun").read_text()) for work in works[1:]]
    running.send_signal(blow)
    running.wait()
    wait_until(lambda: not any(map(psutil.pid_exists, started)))
    (tmp_path / "end").touch()
    assert set(run(works).values()) == {""}
    assert [num_begun(work) for work in works] == [1, 2, 2]


def test_two_commands_side_by_side_share_the_places_and_the_work(tmp_path: Path) -> None:
    """Neither starts what the other is at, nor a third process where there are two places."""
    works = toys(tmp_path, *["well"] * 4)
    works = [w.model_copy(update={"waits_for": f"{tmp_path / 'end'}"}) for w in works]
    running = command(tmp_path, 2, works)
    wait_until(lambda: sum(map(num_begun, works)) == 2)
    pid = os.fork()
    if not pid:  # lets them end once the second command has had its chance
        time.sleep(1)
        os._exit((tmp_path / "end").touch() or sum(map(num_begun, works)))
    assert set(run(works).values()) == {""}
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert running.wait() == 0
    assert [num_begun(work) for work in works] == [1, 1, 1, 1]


def test_errors_are_of_the_kinds_that_callers_tell_apart(tmp_path: Path) -> None:
    with open_engine(execution(1), CPU) as engine:
        kinds = [type(error) for _, error in engine.run(toys(tmp_path, "mistake", "failure"))]
    assert kinds == [UserError, FitError]


def test_a_fit_that_is_asked_to_leave_ends_its_stage(tmp_path: Path) -> None:
    work, *_ = toys(tmp_path, "well", waits_for=tmp_path / "end")
    pid = os.fork()
    if not pid:
        wait_until(lambda: num_begun(work) == 1)
        os.kill(int((Path(work.folder) / "begun").read_text()), signal.SIGTERM)
        os._exit(0)
    with pytest.raises(SystemExit) as left:
        run([work])
    assert left.value.code == 128 + signal.SIGTERM
    os.waitpid(pid, 0)
