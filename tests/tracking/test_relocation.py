"""A repository that was moved or copied keeps its runs with their artifacts."""

import shutil
from pathlib import Path

import mlflow
import pytest

from tests.conftest import Workspace
from tests.tracking.reading import Reader, differences
from tests.tracking.test_mirror import client, runs

pytestmark = pytest.mark.slow


def files(api: mlflow.MlflowClient) -> dict[str, list[str]]:
    """The artifacts of each run."""
    ids = [run.info.run_id for run in runs(api)]
    return {run_id: [each.path for each in api.list_artifacts(run_id)] for run_id in ids}


def test_a_moved_repository_shows_its_artifacts_and_writes_new_ones_beside_them(
    copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, artifacts = Reader(client(copy)).all(), files(client(copy))
    assert any(artifacts.values())
    moved = object.__new__(Workspace)
    moved.folder = tmp_path / "moved"
    shutil.move(copy.folder, moved.folder)
    moved.run("convoy", "sync")
    api, there = client(moved), f"file://{moved.folder}/mlartifacts"
    assert differences(wanted, Reader(api).all()) == []
    assert all(run.info.artifact_uri.startswith(f"{there}/") for run in runs(api))
    assert files(api) == artifacts
    (version,) = api.search_model_versions("name = 'convoy'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{moved.folder}/mlflow.db")
    mlflow.artifacts.download_artifacts(version.source, dst_path=f"{tmp_path / 'model'}")
    monkeypatch.undo()
    assert list((tmp_path / "model").rglob("MLmodel"))
    moved.edit(lambda tree: tree["members"]["cnn_1"].update(seed=77))
    moved.stage("train", "cnn_1")
    moved.run("convoy", "sync")
    assert not copy.folder.exists()
    assert any(run.data.params.get("members.cnn_1.seed") == "77" for run in runs(client(moved)))


def test_a_database_elsewhere_is_left_alone(copy: Workspace, tmp_path: Path) -> None:
    """Several repositories may share it, each with its artifacts beside itself."""
    elsewhere = f"sqlite:///{tmp_path}/shared.db"
    copy.run("convoy", "sync", MLFLOW_TRACKING_URI=elsewhere)
    other = copy.copied(tmp_path / "other")
    other.run("convoy", "sync", MLFLOW_TRACKING_URI=elsewhere)
    api = mlflow.MlflowClient(tracking_uri=elsewhere)
    places = {run.info.artifact_uri for run in runs(api)}
    assert all(place.startswith(f"file://{copy.folder}/mlartifacts/") for place in places)
