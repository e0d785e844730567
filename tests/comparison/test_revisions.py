"""`python -m pipeline compare` on real commits, experiments and runs."""

import json
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.conftest import Workspace

pytestmark = pytest.mark.slow


def commit(workspace: Workspace, message: str) -> None:
    for command in (["add", "dvc.lock", "params.yaml"], ["commit", "-qm", message]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *command], cwd=workspace.folder, check=True)


def compared(workspace: Workspace, *names: str) -> dict:
    printed = workspace.run("python", "-m", "pipeline", "compare", *names)
    path = workspace.folder / "reports/compare" / f"{'..'.join(names)}.json"
    assert f"saved to reports/compare/{'..'.join(names)}.md" in printed
    return json.loads(path.read_text())


def state_run(workspace: Workspace) -> str:
    """The id of the MLflow run at the top of the newest state."""
    api = MlflowClient(tracking_uri=f"sqlite:///{workspace.folder / 'mlflow.db'}")
    experiment = api.get_experiment_by_name("convoy")
    assert experiment
    where = "tags.`convoy.stage` = 'evaluate'"
    runs = api.search_runs(
        [experiment.experiment_id], where, order_by=["attributes.start_time DESC"]
    )
    return next(run.info.run_id for run in runs if run.info.run_name == "evaluate")


def test_states_are_found_by_every_name_they_have(copy: Workspace) -> None:
    commit(copy, "all methods")
    same = copy.run("python", "-m", "pipeline", "compare", "HEAD", "workspace", status=1)
    assert same.startswith("compare: HEAD and workspace have the same results; allowed states tha")
    assert len(same.splitlines()) == 1
    first_run = state_run(copy)
    copy.edit(lambda tree: tree["ensemble"].update(methods=[{"name": "majority"}]))
    copy.run("dvc", "repro", "evaluate")
    by_commit = compared(copy, "HEAD", "workspace")
    assert by_commit["num_samples"] == 365
    assert by_commit["changed_params"] == {
        "ensemble.methods": {"HEAD": None, "workspace": [{"name": "majority"}]}
    }
    assert by_commit["contrasts"][0]["verdict"].startswith("HEAD (")
    copy.run("dvc", "exp", "save", "--quiet", "--name", "voted")
    commit(copy, "majority alone")
    by_run = compared(copy, first_run, "voted")
    assert list(by_run["systems"].values()) == list(by_commit["systems"].values())


def test_what_has_no_result_is_said_in_one_line(copy: Workspace) -> None:
    before = copy.run("python", "-m", "pipeline", "compare", "HEAD", "workspace", status=1)
    assert before.startswith("compare: HEAD: ")
    assert "commit its dvc.lock" in before
    assert len(before.splitlines()) == 1
    for names, printed in (
        (["workspace", "wrkspace"], "got 'wrkspace', which is not a revision, experiment or"),
        (["workspace"], "compare: got workspace; allowed two or more different states"),
        (["workspace", "0" * 32], f"compare: {'0' * 32}: "),
    ):
        answer = copy.run("python", "-m", "pipeline", "compare", *names, status=1)
        assert printed in answer
        assert "Traceback" not in answer


def test_a_cache_that_lost_its_files_is_named(copy: Workspace, tmp_path: Path) -> None:
    commit(copy, "all methods")
    (copy.folder / ".dvc/cache").rename(tmp_path / "cache")
    printed = copy.run("python", "-m", "pipeline", "compare", "HEAD", "workspace", status=1)
    assert "cannot be fetched" in printed.splitlines()[-1]
