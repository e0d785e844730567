"""`python -m pipeline compare` on real commits, experiments and runs."""

import json
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.comparison.revisions import holding
from pipeline.comparison.run import run
from pipeline.config.load import load_params
from pipeline.core.dvcfile import LOCK, locked_stages
from pipeline.core.errors import UserError
from pipeline.core.git import git
from pipeline.core.paths import PARAMS_FILE
from pipeline.tracking.state import lock_hash
from tests.conftest import Workspace

pytestmark = pytest.mark.slow


def commit(workspace: Workspace, message: str) -> None:
    for command in (["add", "dvc.lock", "params.yaml"], ["commit", "-qm", message]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *command], cwd=workspace.folder, check=True)


def compared(*names: str) -> dict:
    """Compare states of the working directory, in this process."""
    _, path = run(list(names), load_params(PARAMS_FILE), over_seeds=False)
    return json.loads(path.with_suffix(".json").read_text())


@pytest.fixture
def here(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the reproduced workspace, as the working directory."""
    monkeypatch.chdir(copy.folder)
    return copy


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


def test_states_are_found_by_every_name_they_have(here: Workspace) -> None:
    commit(here, "all methods")
    with pytest.raises(UserError, match="HEAD and workspace have the same results; allowed states"):
        compared("HEAD", "workspace")
    first_run = state_run(here)
    here.edit(lambda tree: tree["ensemble"].update(methods=[{"name": "majority"}]))
    here.run("dvc", "repro", "evaluate")
    by_commit = compared("HEAD", "workspace")
    assert by_commit["num_samples"] == 365
    assert by_commit["changed_params"] == {
        "ensemble.methods": {"HEAD": None, "workspace": [{"name": "majority"}]}
    }
    assert by_commit["contrasts"][0]["verdict"].startswith("HEAD (")
    here.run("dvc", "exp", "save", "--quiet", "--name", "voted")
    commit(here, "majority alone")
    printed = here.run("python", "-m", "pipeline", "compare", first_run, "voted")
    path = f"reports/compare/{first_run}..voted"
    assert f"saved to {path}.md" in printed
    by_run = json.loads((here.folder / f"{path}.json").read_text())
    assert list(by_run["systems"].values()) == list(by_commit["systems"].values())


def test_what_has_no_result_is_said_in_one_line(here: Workspace) -> None:
    before = here.run("python", "-m", "pipeline", "compare", "HEAD", "workspace", status=1)
    assert before.startswith("HEAD: ")
    assert "commit its dvc.lock" in before
    assert len(before.splitlines()) == 1
    for names, printed in (
        (["workspace", "wrkspace"], "got 'wrkspace', which is not a revision, experiment or"),
        (["workspace"], "compare: got workspace; allowed two or more different states"),
        (["workspace", "0" * 32], f"{'0' * 32}: "),
    ):
        with pytest.raises(UserError, match=printed):
            compared(*names)


def test_a_cache_that_lost_its_files_is_named(here: Workspace, tmp_path: Path) -> None:
    commit(here, "all methods")
    (here.folder / ".dvc/cache").rename(tmp_path / "cache")
    with pytest.raises(UserError, match="cannot be fetched"):
        compared("HEAD", "workspace")


def test_of_commits_with_the_same_ensembles_a_run_is_that_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as an experiment that only evaluates them in another way."""
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["init", "-q"],
        ["config", "user.email", "a@b"],
        ["config", "user.name", "a"],
    ):
        assert git(*arguments) is not None
    locks, commits = [], []
    for num_bootstrap in (1, 2):
        stages = {
            "ensemble": {"outs": [{"path": "artifacts/ensemble", "md5": "e.dir"}]},
            "evaluate": {"params": {"params.yaml": {"num_bootstrap": f"{num_bootstrap}"}}},
        }
        LOCK.write_text(json.dumps({"schema": "2.0", "stages": stages}))  # JSON is YAML
        assert git("add", "dvc.lock") is not None
        assert git("commit", "-qm", "more") is not None
        locks.append(lock_hash(locked_stages()))
        commits.append(git("rev-parse", "HEAD"))
    assert [holding("e.dir", lock) for lock in locks] == commits
    assert holding("e.dir", "of no commit") == holding("e.dir") == commits[1]
    assert holding("f.dir", locks[0]) is None
