"""Trials that go wrong are told in one line, and leave no process behind."""

import json
import os
import re
import signal
from typing import Any

import psutil
import pytest

from pipeline.core.files import read_json
from pipeline.core.process import die_with_parent
from pipeline.search.trial import Trial
from tests.conftest import Workspace


@pytest.mark.parametrize(
    ("until", "expected"),
    [(1, (0.5, 0.1)), (2, (0.2, 0.8)), (3, (0.2, 0.8)), (None, (0.2, 0.8))],
)
def test_a_trial_is_worth_the_epoch_that_it_keeps(
    until: int | None, expected: tuple[float, float]
) -> None:
    history = {"val/standardised_mse": [0.5, 0.2, 0.3], "val/accuracy": [0.1, 0.8, 0.9]}
    metrics = Trial(0, {}, histories={0: history}).metrics("val/standardised_mse", until)
    assert (metrics["val/standardised_mse"], metrics["val/accuracy"]) == expected


@pytest.mark.slow
def test_a_trial_that_refuses_its_settings_is_told_in_one_line(workspace: Workspace) -> None:
    space = {"training.batch_size": {"choices": [64, 100_000]}}
    search = {"budget": {"trials": 6}, "epochs": 1, "space": space, "batch": 2}
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    for stage in ("preprocess", "augment", "components"):
        workspace.stage(stage)
    printed = workspace.stage("search", "cnn", status=1)
    (messages,) = [line for line in printed.splitlines() if line.startswith("search:")]
    assert "{'training.batch_size': 100000}" in messages
    assert "got 100000; allowed at most the 1071 training images of an epoch" in messages
    assert "Traceback" not in printed
    assert not (workspace.folder / "artifacts/search").exists()


@pytest.mark.slow
def test_a_trial_that_diverges_ends_no_search(workspace: Workspace) -> None:
    space = {"training.lr": {"choices": [0.005, 1e30]}}
    search = {"budget": {"trials": 2}, "epochs": 1, "space": space}
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    workspace.edit(lambda tree: tree["hardware"].update(memory_format="auto"))
    for stage in ("preprocess", "augment", "components"):
        workspace.stage(stage)
    printed = workspace.stage("search", "cnn")
    assert printed.count("precision as params.yaml says") == 1  # what all trials share, once
    assert "trial 1 {'training.lr': 1e+30}: the loss is not finite in step" in printed
    assert "lower lr, or set training.on_divergence: recover; the search continues" in printed
    table = (workspace.folder / "artifacts/search/cnn/trials.csv").read_text().splitlines()
    assert table[2] == "1,FAIL,0,,1e+30"
    tags = read_json(workspace.folder / "artifacts/runs/search/cnn/trial_001/run.json")["tags"]
    assert tags["state"] == "FAIL"
    assert tags["error"].startswith("the loss is not finite in step")


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
    search = {"budget": {"trials": 3}, "epochs": 12, "space": space, "batch": 1}
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    for stage in ("preprocess", "augment", "components"):
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
    assert "trial 1  epoch 12/" in printed
    resumed = searched(workspace)
    assert len(resumed) > 8
    again = workspace.fork("python", "-m", "stages.search", "cnn")
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


@pytest.mark.slow
def test_a_killed_halving_goes_on_from_its_rung_and_ends_the_same(workspace: Workspace) -> None:
    """The trial that is promoted continues from its checkpoint, before and after the kill."""
    space = {"training.lr": {"low": 0.001, "high": 0.02, "log": True}}
    pruner = {"name": "halving", "factor": 2}
    search = {
        "budget": {"trials": 4}, "epochs": 4, "space": space, "batch": 4, "pruner": pruner,
    }  # fmt: skip
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    for stage in ("preprocess", "augment", "components"):
        workspace.stage(stage)
    running = workspace.fork("python", "-m", "stages.search", "cnn")
    assert running.stdout
    printed = []
    for line in running.stdout:
        printed.append(line)
        if "  epoch 3/4" in line:
            break
    os.kill(running.pid, signal.SIGKILL)
    printed.append(running.communicate()[0])
    printed.append(workspace.stage("search", "cnn"))
    epochs = re.findall(r"(trial \d)  epoch (\d)", "".join(printed))
    assert len(set(epochs)) == 4 + 2 + 2
    rows = (workspace.folder / "artifacts/search/cnn/trials.csv").read_text().splitlines()[1:]
    found = sorted(tuple(row.split(",")[1:3]) for row in rows)
    assert found == [("COMPLETE", "4"), ("PRUNED", "1"), ("PRUNED", "1"), ("PRUNED", "2")]
    killed = searched(workspace)
    alone = workspace.stage("search", "cnn")
    assert len(re.findall("  epoch ", alone)) == 4 + 2 + 2  # none is trained twice
    assert searched(workspace) == killed
