"""Runs are shown while their stage works, and closed however it ends."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from mlflow.entities import Run

from pipeline.tracking.follow import POLL_S
from tests.conftest import ENDLESS, Workspace
from tests.tracking.test_mirror import client, live, runs


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_stage_is_marked_so(copy: Workspace, blow: signal.Signals) -> None:
    copy.edit(lambda tree: tree["members"]["cnn_1"].update(seed=77))
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(ENDLESS))
    copy.run("dvc", "repro", "-s", "search@cnn")
    copy.edit(live)
    stage = copy.fork("python", "-m", "stages.train", "cnn_1")

    def found() -> list[str]:
        return statuses(copy, lambda run: run.data.params.get("members.cnn_1.seed") == "77")

    try:
        wait_for(["RUNNING"], found)
    finally:
        os.kill(stage.pid, blow)
        stage.wait(timeout=20)
    wait_for(["KILLED"], found)


def statuses(workspace: Workspace, is_meant: Callable[[Run], bool]) -> list[str]:
    """The statuses of some runs; none before there is a database."""
    if not (workspace.folder / "mlflow.db").exists():
        return []
    return sorted(run.info.status for run in runs(client(workspace)) if is_meant(run))


def wait_for(wanted: object, found: Callable[[], object]) -> None:
    """Until this is what is found."""
    last = None
    for _ in range(240):
        last = found()
        if last == wanted:
            return
        time.sleep(0.5)
    raise AssertionError(last)


@pytest.mark.slow
def test_trials_are_shown_while_they_run_and_failures_as_failed(workspace: Workspace) -> None:
    """One trial diverges at once; the other is still running when the first is shown as failed."""

    def two_kinds(tree: dict[str, Any]) -> None:
        space = {"training.lr": {"choices": [0.01, 1e30]}}
        search = {
            "budget": {"trials": 2},
            "sampler": {"name": "grid"},
            "space": space,
            "retries": 0,
        }
        tree["recipes"]["cnn"]["training"].update(ENDLESS, optimiser={"name": "sgd"})
        tree["recipes"]["cnn"]["search"] = {**search, "epochs": ENDLESS["epochs"]}
        tree["execution"] = {"engine": {"name": "local", "parallel_fits": 2}}

    workspace.edit(two_kinds)
    workspace.run("dvc", "repro", "augment", "components")
    workspace.edit(live)
    stage = workspace.fork("python", "-m", "stages.search", "cnn")

    def trials() -> list[str]:
        return statuses(workspace, lambda r: r.info.run_name.startswith("search/cnn/trial_"))

    try:
        wait_for(["FAILED", "RUNNING"], trials)
        found = {r.info.run_name: r for r in runs(client(workspace))}
        (failed,) = [run for run in found.values() if run.info.status == "FAILED"]
        assert "the loss is not finite" in failed.data.tags["error"]
        assert failed.data.params["training.lr"] == "1e+30"
        assert found["search/cnn"].info.status == "RUNNING"
    finally:
        os.kill(stage.pid, signal.SIGKILL)
        stage.wait(timeout=20)
    wait_for(["FAILED", "KILLED"], trials)


@pytest.mark.slow
def test_members_that_are_trained_ahead_are_shown_meanwhile(copy: Workspace) -> None:
    """Even if the mirror is killed with everything else, no run stays RUNNING."""

    def endless(tree: dict[str, Any]) -> None:
        for recipe in tree["recipes"].values():
            recipe["training"].update(ENDLESS)
        tree["execution"] = {"engine": {"name": "local", "parallel_fits": 2}}

    copy.edit(endless)
    for recipe in ("cnn", "resnet"):
        copy.edit(lambda tree, recipe=recipe: tree["recipes"][recipe].pop("search", None))
        copy.run("dvc", "repro", f"search@{recipe}")
    copy.edit(live)
    known = {run.info.run_id for run in runs(client(copy))}
    both = {"train/cnn_1", "train/resnet_1"}
    repro = copy.start("dvc", "repro", "train")

    def shown() -> set[str]:
        found = [run for run in runs(client(copy)) if run.info.run_id not in known]
        return {run.info.run_name for run in found if "val/accuracy" in run.data.metrics}

    try:
        wait_for(both, shown)
    finally:
        os.killpg(repro.pid, signal.SIGKILL)
        repro.communicate()
    time.sleep(2 * POLL_S)
    copy.run("convoy", "sync")
    found = [run for run in runs(client(copy)) if run.info.run_id not in known]
    status = {run.info.run_name: run.info.status for run in found if run.info.run_name in both}
    assert status == {"train/cnn_1": "KILLED", "train/resnet_1": "KILLED"}


FOLLOWED = """
import sys, time
from pathlib import Path
from pipeline.core.run_log import Follower

with Follower(Path("nothing")):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_ctrl_c_while_the_mirror_starts_is_about_the_stage_alone(workspace: Workspace) -> None:
    """A terminal sends it to all processes of the command."""
    stage = workspace.start("python", "-c", FOLLOWED)
    assert stage.stdout
    assert stage.stdout.readline() == "begun\n"
    time.sleep(0.2)
    os.killpg(stage.pid, signal.SIGINT)
    printed, _ = stage.communicate(timeout=60)
    assert printed.count("KeyboardInterrupt") == 1
    assert "follow.py" not in printed
