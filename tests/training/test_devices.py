"""A fit on several devices that fails, is killed, or loses a process; real processes all.

Where one were left, or waited for in vain, these tests would not end.
"""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.training.fits import end, forked, forked_here, recipe, same, status, written

pytestmark = pytest.mark.slow

STARTER, RANK_0, RANK_1 = range(3)
TERM, KILL = signal.SIGTERM, signal.SIGKILL


def test_killed_and_resumed(tmp_path: Path) -> None:
    chosen = recipe({"epochs": 12})  # of five steps
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    assert status(forked_here(alone, chosen, devices=2)) == 0
    kills = [(STARTER, TERM), (RANK_1, KILL), (STARTER, KILL), (RANK_1, TERM), (RANK_0, KILL)]
    ends, logged = [], []
    for victim, signum in kills:
        child = forked(killed, chosen, "frequent", devices=2)
        ends.append(end(child, killed, victim, signum, num_checkpoints=4))
        if ends[-1] == 1:
            logged.append((killed / "logged").read_text())
    assert ends == [143, 1, -KILL, 143, 1]
    assert [line.split(" (")[0] for line in logged] == [
        "rank 1 was terminated by signal 9",
        "rank 0 was terminated by signal 9",
    ]
    assert status(forked(killed, chosen, devices=2)) == 0
    same(alone, killed)


def test_three_devices_add_in_the_same_order_when_resumed(tmp_path: Path) -> None:
    """Unlike that of two numbers, the sum of three depends on it."""
    chosen = recipe({"batch_size": 9})
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    assert status(forked_here(alone, chosen, devices=3)) == 0
    child = forked(killed, chosen, "frequent", devices=3)
    assert end(child, killed, RANK_1, KILL, num_checkpoints=4) == 1
    assert status(forked(killed, chosen, devices=3)) == 0
    same(alone, killed)


@pytest.mark.parametrize("patch", ["rank_1_fails", "rank_1_fails_while_the_other_hangs"])
def test_the_error_of_the_process_that_failed_first_is_told(patch: str, tmp_path: Path) -> None:
    assert status(forked(tmp_path, recipe({}), patch, devices=2)) == 3
    logged = (tmp_path / "logged").read_text()
    assert logged == "FitError: test: process 1 failed: ValueError: the reason"


@pytest.mark.parametrize("rank", [0, 1])
def test_asked_to_leave_before_training(
    rank: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No process is left, none calls it a failure, and there is nothing to read."""
    assert status(forked(tmp_path, recipe({}), f"rank_{rank}_is_ended_early", devices=2)) == 143
    assert "Traceback" not in "".join(capfd.readouterr())


def test_ctrl_c_is_for_the_one_that_has_started_the_fit(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also before the fit's process has begun to run Python."""
    child = forked(tmp_path, recipe({}))
    os.setpgid(child, child)  # as a shell does
    while not (started := psutil.Process(child).children()):
        time.sleep(0.001)
    os.killpg(child, signal.SIGINT)
    assert status(child) == 3
    assert (tmp_path / "logged").read_text() == "KeyboardInterrupt: "
    assert not psutil.wait_procs(started, timeout=20)[1]
    assert not capfd.readouterr().err


def test_a_fit_whose_starter_was_killed_is_waited_for(tmp_path: Path) -> None:
    """It works on until its block ends, in the same folder as the one that is started next."""
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    assert status(forked_here(alone, recipe({}))) == 0
    child = forked(killed, recipe({}), "frequent,slow")
    while not written(killed):
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert status(child) == -signal.SIGKILL
    assert status(forked(killed, recipe({}))) == 0
    same(alone, killed)


def test_processes_that_do_not_meet_in_time_are_told(tmp_path: Path) -> None:
    assert status(forked(tmp_path, recipe({}), "rank_1_is_late", devices=2, timeout_s=1)) == 1
    message = "execution.timeout_s: got 1, but not all processes of the fit connected within"
    assert (tmp_path / "logged").read_text().startswith(message)


def test_a_mistake_is_told_as_it_is(tmp_path: Path) -> None:
    assert status(forked(tmp_path, recipe({}), "rank_1_refuses", devices=2)) == 1
    assert (tmp_path / "logged").read_text() == "key: got a; allowed b"
