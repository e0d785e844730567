"""Processes that torchrun and srun start: which is which, and that there is one a device."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from pipeline import graph, launch, params
from pipeline.errors import UserError
from pipeline.launch import Place
from tests.conftest import ROOT

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "3", "WORLD_SIZE": "4"}
SRUN = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1"}
BATCH_SCRIPT = {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "job"}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, None),
        (TORCHRUN, Place("torchrun", 3, 4)),
        (SRUN, Place("srun", 1, 4)),
        (BATCH_SCRIPT, None),
        ({**BATCH_SCRIPT, **SRUN, **TORCHRUN}, Place("torchrun", 3, 4)),  # started by srun
    ],
)
def test_a_process_knows_its_place(
    env: dict[str, str], expected: Place | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {*TORCHRUN, *SRUN, *BATCH_SCRIPT}:
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert launch.place() == expected


def test_one_process_a_device() -> None:
    launch.check(None, devices=2, num_nodes=1)  # this machine's are forked
    launch.check(Place("srun", 0, 6), devices=3, num_nodes=2)
    with pytest.raises(UserError, match=r"num_nodes: got 2, .* started alone; .* launch.command"):
        launch.check(None, devices=1, num_nodes=2)
    with pytest.raises(UserError, match="got 2 × 2, torchrun has started 3 processes"):
        launch.check(Place("torchrun", 0, 3), devices=2, num_nodes=2)


def test_the_command_of_the_user_starts_this_python() -> None:
    code = "import sys; sys.exit(int(sys.argv[1]))"
    assert launch.start("env A=b", ["-c", code, "7"]) == 7
    with pytest.raises(UserError, match=r"launch.command: got 'absent --nodes 2': No such file"):
        launch.start("absent --nodes 2", [])


def test_who_is_asked_to_leave_ends_the_command_too() -> None:
    code = (
        "from pipeline import launch, process\n"
        "process.exit_on_sigterm()\n"
        "launch.start('env', ['-c', 'print(1, flush=True); input()'])"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert starter.stdout and starter.stdout.readline() == b"1\n"
    (started,) = psutil.Process(starter.pid).children()
    os.kill(starter.pid, signal.SIGTERM)
    assert starter.wait() == 143
    assert not started.is_running()


def test_how_training_is_started_changes_no_fingerprint() -> None:
    tree = params.read(ROOT / "params.yaml")
    started = tree | {"launch": {"command": "srun --nodes 2"}}
    assert params.parse(started, "test").launch.command == "srun --nodes 2"
    before, after = (
        graph.entry("train", "cnn_1", t, ROOT / "dvc.yaml").settings(t) for t in (tree, started)
    )
    assert before == after
