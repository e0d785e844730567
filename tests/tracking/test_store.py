"""What people do in MLflow's pages does not stop the mirror."""

import os
import signal
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.tracking import address, store


def test_a_deleted_experiment_is_restored_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(address, "ROOT", tmp_path)
    first = store.Store("convoy").create("train/cnn_1", "fingerprint", {})
    client = MlflowClient(tracking_uri=address.uri())
    experiment = client.get_experiment_by_name("convoy")
    assert experiment
    client.delete_experiment(experiment.experiment_id)
    assert store.Store("convoy").find("fingerprint") == first
    assert "the experiment convoy was deleted in MLflow: restored" in capsys.readouterr().err
    assert client.get_run(first).info.lifecycle_stage == "active"
    store.Store("convoy")
    assert capsys.readouterr().err == ""


def test_a_database_whose_creation_was_killed_is_created_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow creates its tables in many steps, and would not finish what was begun."""
    monkeypatch.setattr(address, "ROOT", tmp_path)
    begun_s = time.monotonic()
    store.Store("convoy")
    usual_s = time.monotonic() - begun_s
    for number in range(1, 6):
        monkeypatch.setattr(address, "ROOT", tmp_path / f"{number}")
        address.ROOT.mkdir()
        child = os.fork()
        if not child:
            store.Store("convoy")
            os._exit(0)
        time.sleep(usual_s * number / 6)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        run_id = store.Store("convoy").create("train/cnn_1", "fingerprint", {})
        assert store.Store("convoy").find("fingerprint") == run_id
