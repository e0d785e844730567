"""What is Lightning's is open to users: callbacks and profilers, by params.yaml alone."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from pipeline.config import callbacks as lightning_callbacks
from pipeline.core.component import names
from pipeline.core.run_log import Spool
from tests.conftest import Workspace
from tests.training.fits import MIXED, fit_here, job, recipe
from tests.training.test_data import inputs

CALLBACKS: list[dict[str, Any]] = [
    {"name": "learning_rate_monitor", "logging_interval": "epoch"},
    {"name": "device_stats_monitor", "cpu_stats": True},
    {"name": "gradient_norm", "every_n_steps": 4},
]


@pytest.mark.slow
def test_what_a_callback_logs_is_in_mlflow(workspace: Workspace) -> None:
    def edit(tree: dict[str, Any]) -> None:
        tree["recipes"]["cnn"].pop("search")
        tree["recipes"]["cnn"]["training"]["callbacks"] = CALLBACKS

    workspace.edit(edit)
    workspace.run("dvc", "repro", "train@cnn_1")
    workspace.run("python", "-m", "pipeline", "sync")
    client = MlflowClient(f"sqlite:///{workspace.folder / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'convoy'")
    runs = client.search_runs([experiment.experiment_id], "tags.`convoy.stage` = 'train'")
    (metrics,) = (run.data.metrics for run in runs)
    assert {"train/loss", "val/log_loss", "train/gradient_norm", "lr-AdamW/pg1"} <= set(metrics)
    assert any(name.startswith("DeviceStatsMonitor.on_train_batch_start/") for name in metrics)
    history = workspace.folder / "artifacts/members/cnn_1/fold_0/history.csv"
    header = "epoch,val/log_loss,val/accuracy,train/loss,train/lr"
    assert history.read_text().splitlines()[0] == header


OWN = {name: ({"name": name},) for name in names("callback")}


@pytest.mark.parametrize("watching", [tuple(CALLBACKS), *OWN.values()], ids=["several", *OWN])
def test_a_callback_changes_no_bit_and_no_figure_of_a_fit(
    watching: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    """Also where it listens within steps, which Lightning's own optimiser then makes."""
    found = {}
    for name, callbacks in {"plain": (), "open": watching}.items():
        wanted = job(tmp_path / name, recipe({"callbacks": callbacks, "clip": {}}))
        network = fit_here(wanted, inputs("crop_flip", None))
        figures = Spool(Path(wanted.spool)).figures()
        found[name] = [f for f in figures if f.name.startswith(("val/", "train/l"))]
        found[f"{name} weights"] = [value.tolist() for value in network.state_dict().values()]
    assert found["open"] == found["plain"]
    assert found["open weights"] == found["plain weights"]


@pytest.mark.parametrize("name", lightning_callbacks.usable())
def test_lightnings_callbacks_go_through_a_fit(name: str, tmp_path: Path) -> None:
    wanted = job(tmp_path, recipe({"epochs": 2, "callbacks": ({"name": name},)}))
    fit_here(wanted, inputs("crop_flip", MIXED))
    figures = Spool(Path(wanted.spool)).figures()
    assert [f.step for f in figures if f.name == "val/log_loss"] == [0, 1]


def test_figures_of_callbacks_count_steps_of_the_optimiser(tmp_path: Path) -> None:
    training = {"callbacks": ({"name": "gradient_norm", "every_n_steps": 4},)}
    wanted = job(tmp_path, recipe(training))  # three epochs of five steps
    fit_here(wanted, inputs("none", None))
    norms = [f for f in Spool(Path(wanted.spool)).figures() if f.name == "train/gradient_norm"]
    assert len(norms) == 3
    assert all(figure.value > 0 for figure in norms)
    assert sorted(figure.step for figure in norms) == [figure.step for figure in norms]


@pytest.mark.parametrize(
    ("profiler", "shown"),
    [("simple", "training_step"), ("advanced", "training_step"), ("pytorch", "aten::convolution")],
)
def test_a_profile_is_written(
    profiler: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = job(tmp_path, recipe({"epochs": 1}), profiler=profiler)
    fit_here(wanted, inputs("none", None))
    written = (tmp_path / ".convoy/profiles/test").iterdir()
    assert any(shown in path.read_text() for path in written)
