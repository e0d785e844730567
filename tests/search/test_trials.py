"""Trials that go wrong are told in one line, and leave no process behind."""

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.config.load import load_params
from pipeline.core.errors import UserError
from pipeline.core.process import die_with_parent
from pipeline.core.run_log import Spool
from pipeline.search.study import Trial, chosen
from pipeline.search.trials import best
from tests.conftest import ROOT, Workspace


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([0.5, 0.2, 0.3], 0.2), ([0.5], 0.5)],
)
def test_a_trial_is_worth_its_best_epoch(
    tmp_path: Path, losses: list[float], expected: float
) -> None:
    spool = Spool(tmp_path)
    spool.open("search/cnn/trial_000", {"fingerprint": "f"})
    for step, loss in enumerate(losses):
        spool.record({"val/standardised_mse": loss, "val/log_loss": 0.0}, step)
    assert best(spool, "val/standardised_mse") == expected


@pytest.mark.slow
def test_a_trial_that_refuses_its_settings_is_told_in_one_line(workspace: Workspace) -> None:
    space = {"training.batch_size": {"choices": [64, 100_000]}}
    search = {"num_trials": 6, "epochs": 1, "space": space, "parallel": 2}
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    for stage in ("preprocess", "augment"):
        workspace.stage(stage)
    printed = workspace.stage("search", "cnn", status=1)
    (messages,) = [line for line in printed.splitlines() if line.startswith("search:")]
    assert "{'training.batch_size': 100000}" in messages
    assert "got 100000; allowed at most the 1071 training images of an epoch" in messages
    assert "Traceback" not in printed
    assert not (workspace.folder / "artifacts/search").exists()


@pytest.mark.slow
def test_a_trial_that_diverges_ends_no_search(workspace: Workspace) -> None:
    search = {"num_trials": 2, "epochs": 1, "space": {"training.lr": {"choices": [0.005, 1e30]}}}
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    workspace.edit(lambda tree: tree["hardware"].update(memory_format="auto"))
    for stage in ("preprocess", "augment"):
        workspace.stage(stage)
    printed = workspace.stage("search", "cnn")
    assert printed.count("precision as params.yaml says") == 1  # what all trials share, once
    assert "trial 1 {'training.lr': 1e+30}: the loss is not finite in step" in printed
    assert "lower lr, or set training.on_divergence: recover; the search continues" in printed
    table = (workspace.folder / "artifacts/search/cnn/trials.csv").read_text().splitlines()
    assert table[2] == "1,inf,1e+30"


def jobs(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the job of each trial that has begun."""
    found = (workspace.folder / ".convoy/work/search/cnn").glob("*/trial_*/job.json")
    return {path.parent.name: json.loads(path.read_text()) for path in found}


def searched(workspace: Workspace) -> dict[str, bytes]:
    folders = [workspace.folder / part / "search/cnn" for part in ("artifacts", "artifacts/runs")]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(workspace.folder)): path.read_bytes() for path in files}


@pytest.mark.slow
def test_a_killed_search_goes_on_and_ends_the_same(workspace: Workspace) -> None:
    """Its trials die with it, and write nothing into the run that goes on."""
    space = {"training.lr": {"low": 0.001, "high": 0.02, "log": True}}
    search = {"num_trials": 3, "epochs": 4, "space": space, "parallel": 1}
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    for stage in ("preprocess", "augment"):
        workspace.stage(stage)
    running = workspace.start("python", "-m", "stages.search", "cnn")
    assert running.stdout
    for line in running.stdout:
        if "trial 1  epoch 2/" in line:
            break
    trials = psutil.Process(running.pid).children(recursive=True)
    before = jobs(workspace)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not psutil.wait_procs(trials, timeout=60)[1]  # none is left
    assert set(before) == {"trial_000", "trial_001"}
    printed = workspace.stage("search", "cnn")
    assert "trial 0  epoch" not in printed
    assert "trial 1  epoch 2/" not in printed
    assert "trial 1  epoch 4/" in printed
    resumed = searched(workspace)
    assert len(resumed) > 8
    forking = workspace.forking()["PATH"]
    again = workspace.start("python", "-m", "stages.search", "cnn", PATH=forking)
    assert again.stdout
    for line in again.stdout:
        if "trial 1  epoch 2/" in line:
            break
    assert not {job["spool"] for job in jobs(workspace).values()} & {
        job["spool"] for job in before.values()
    }
    again.communicate()
    assert searched(workspace) == resumed  # from nothing, as the work of the first was complete


def test_a_child_that_starts_after_its_parents_end_ends_too() -> None:
    child = os.fork()
    if not child:
        die_with_parent(signal.SIGKILL, parent_id=os.getpid())  # which is not its parent
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def test_a_search_in_which_all_diverge_is_told() -> None:
    recipe = load_params(ROOT / "params.yaml").recipes["cnn"]
    with pytest.raises(UserError, match="every trial diverged; search lower values of"):
        chosen(recipe, [Trial(0, {}, math.inf)])
