"""DVC's remotes and experiments: results travel, and all runs are shown in one store."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import s3
from tests.conftest import Workspace
from tests.tracking.reading import Reader, differences
from tests.tracking.test_mirror import client, live, runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket() -> Iterator[s3.Bucket]:
    pytest.importorskip("dvc_s3")
    with s3.serve() as found:
        yield found


def committed(workspace: Workspace) -> Workspace:
    workspace.run("git", "add", ".")
    workspace.run("git", "commit", "-qm", "results")
    return workspace


def cloned(workspace: Workspace, folder: Path) -> Workspace:
    """What another machine has: the commits alone."""
    return cloned_from(workspace.folder, folder)


def cloned_from(repository: Path, folder: Path) -> Workspace:
    other = object.__new__(Workspace)
    other.folder = folder
    subprocess.run(["git", "clone", "-q", repository, folder], check=True)
    return other


def of_stage(workspace: Workspace, stage: str) -> list[str]:
    """The test fractions of the runs of a stage, as parameters of the runs say."""
    found = [run for run in runs(client(workspace)) if run.data.tags["convoy.stage"] == stage]
    return sorted(run.data.params["data.test_fraction"] for run in found)


def assert_travels(here: Workspace, there: Workspace, remote: str, **login: str) -> None:
    """Push results, and pull them elsewhere, where the store is then filled with the same."""
    here.run("dvc", "remote", "add", "--default", "store", remote)
    if login:
        here.run("dvc", "remote", "modify", "store", "endpointurl", login["AWS_ENDPOINT_URL"])
    committed(here)
    here.run("dvc", "push", **login)
    there.run("git", "pull", "-q")
    there.run("dvc", "pull", **login)
    assert there.run("dvc", "status") == "Data and pipelines are up to date.\n"
    here.run("convoy", "sync")
    there.run("convoy", "sync")
    one, other = Reader(client(here)).all(), Reader(client(there)).all()
    assert differences(one, other) == []
    secrets = [path for path in there.folder.rglob("*") if holds(path, s3.SECRET)]
    assert secrets == []


def holds(path: Path, text: str) -> bool:
    return path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes()


def test_another_machine_pulls_results_from_a_folder(copy: Workspace, tmp_path: Path) -> None:
    other = cloned(committed(copy), tmp_path / "other")
    assert_travels(copy, other, f"{tmp_path / 'store'}")


def test_another_machine_pulls_results_from_s3(
    copy: Workspace, bucket: s3.Bucket, tmp_path: Path
) -> None:
    other = cloned(committed(copy), tmp_path / "other")
    assert_travels(copy, other, f"s3://{s3.BUCKET}/results", **bucket.environment)


def test_experiments_of_every_kind_are_shown_in_one_store(workspace: Workspace) -> None:
    """In the workspace, in a temporary copy, and in two copies that a queue works through."""
    workspace.edit(live)
    committed(workspace)
    workspace.run("dvc", "exp", "run", "preprocess")
    workspace.run("dvc", "exp", "run", "-S", "data.test_fraction=0.25", "preprocess")
    workspace.run("dvc", "exp", "run", "--temp", "-S", "data.test_fraction=0.3", "preprocess")
    for fraction in ("0.35", "0.4"):
        workspace.run(
            "dvc", "exp", "run", "--queue", "-S", f"data.test_fraction={fraction}", "preprocess"
        )
    workspace.run("dvc", "exp", "run", "--run-all")
    assert of_stage(workspace, "preprocess") == ["0.2", "0.25", "0.3", "0.35", "0.4"]
    shown = runs(client(workspace))
    assert {run.info.status for run in shown} == {"FINISHED"}
    assert not list(workspace.folder.glob(".dvc/tmp/**/mlflow.db"))
    states = {run.info.run_id for run in shown if run.data.tags["convoy.stage"] == "pipeline"}
    parents = [r.data.tags.get("mlflow.parentRunId") for r in shown if r.info.run_id not in states]
    assert len(states) == 5
    assert set(parents) == states


def test_an_experiment_of_one_machine_is_shown_on_another(copy: Workspace, tmp_path: Path) -> None:
    copy.run("dvc", "remote", "add", "--default", "store", f"{tmp_path / 'store'}")
    committed(copy)
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", copy.folder, bare], check=True)
    copy.run("git", "remote", "add", "origin", f"{bare}")
    other = cloned_from(bare, tmp_path / "other")
    before = Reader(client(copy)).all()["runs"].keys()
    change = ("-S", "+ensemble.methods=[{name: mean}]")
    copy.run("dvc", "exp", "run", "--temp", "--name", "averaged", *change)
    copy.run("dvc", "exp", "push", "origin", "averaged")
    other.run("dvc", "exp", "pull", "origin", "averaged")
    other.run("dvc", "exp", "apply", "averaged")
    other.run("convoy", "sync")
    here, there = Reader(client(copy)).all()["runs"], Reader(client(other)).all()["runs"]
    assert there.keys() - before and here.keys() - before == there.keys() - before
    assert differences({key: here[key] for key in there}, there) == []


def test_a_remote_without_the_data_is_told_plainly(copy: Workspace, tmp_path: Path) -> None:
    copy.run("dvc", "remote", "add", "--default", "store", f"{tmp_path / 'store'}")
    other = cloned(committed(copy), tmp_path / "other")
    said = other.run("convoy", "sync")
    assert "0 runs" in said
    assert "dvc pull" in said
