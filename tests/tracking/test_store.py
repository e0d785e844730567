"""What people do in MLflow's pages does not stop the mirror."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.tracking import store


def test_a_deleted_experiment_is_restored_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "ROOT", tmp_path)
    first = store.Store("convoy").begin("train/cnn_1", "fingerprint")
    client = MlflowClient(tracking_uri=store.uri())
    experiment = client.get_experiment_by_name("convoy")
    assert experiment
    client.delete_experiment(experiment.experiment_id)
    assert store.Store("convoy").begin("train/cnn_1", "fingerprint") == first
    assert "the experiment convoy was deleted in MLflow: restored" in capsys.readouterr().err
    assert client.get_run(first).info.lifecycle_stage == "active"
    store.Store("convoy")
    assert capsys.readouterr().err == ""
