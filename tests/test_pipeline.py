"""The whole pipeline, as its user runs it."""

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.core.artifacts import Predictions
from pipeline.core.component import names
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from tests.conftest import ENDLESS, Workspace, small
from tests.tracking.reading import Reader, differences
from tests.tracking.test_mirror import client

pytestmark = pytest.mark.slow


def ran(printed: str) -> list[str]:
    return re.findall(r"Running stage '(.+?)'", printed)


def test_every_output_is_there(reproduced: Workspace) -> None:
    layout = Layout(reproduced.folder)
    for split in ("val", "test"):
        predictions = Predictions.load(layout.predictions("cnn_1", split))
        assert predictions.logits.shape == (len(predictions.ids), 10)
    comparison = read_json(layout.comparison)
    assert set(comparison["systems"]) == {"cnn_1", "resnet_1", *names("method")}
    for estimates in comparison["systems"].values():
        assert {"accuracy", "macro_f1", "roc_auc", "log_loss", "brier"} <= set(estimates)
        for estimate in estimates.values():
            if estimate["low"] is not None:
                assert estimate["low"] <= estimate["value"] <= estimate["high"]
            assert estimate["num_samples"] == 365
    assert comparison["verdict"]
    assert read_json(layout.inspection / "gallery.json")["sections"]["confident_mistakes"]
    assert "</html>" in layout.report.read_text()
    assert (layout.augmentation / "preview.png").stat().st_size > 1000


def test_running_again_runs_nothing(copy: Workspace) -> None:
    printed = copy.run("dvc", "repro")
    assert printed.endswith("Data and pipelines are up to date.\n")
    assert ran(printed) == []


def test_a_wider_model_reruns_what_depends_on_it_and_nothing_else(copy: Workspace) -> None:
    copy.edit(lambda tree: tree["recipes"]["cnn"]["model"].update(widths=[8, 24]))
    assert ran(copy.run("dvc", "repro")) == [
        "components", "search@cnn", "train@cnn_1", "soup", "predict@cnn_1", "ensemble", "evaluate",
        "inspect", "report", "package",
    ]  # fmt: skip


def test_a_reworded_comment_in_a_policy_retrains_nothing(copy: Workspace) -> None:
    policy = copy.folder / "pipeline/augmentation/policies/none.py"
    policy.write_text(policy.read_text().replace("No augmentation:", "No change at all:"))
    before = Layout(copy.folder).augmentation.joinpath("policy.json").read_bytes()
    copy.run("dvc", "repro", "augment")
    assert Layout(copy.folder).augmentation.joinpath("policy.json").read_bytes() == before


def test_two_clones_end_with_the_same_lock(reproduced: Workspace, tmp_path: Path) -> None:
    """By `make repro`, whose processes are no forks, and by `dvc repro`; in MLflow alike."""
    other = Workspace(tmp_path / "elsewhere")
    other.edit(small)
    other.run("make", "repro")
    assert (other.folder / "dvc.lock").read_bytes() == (reproduced.folder / "dvc.lock").read_bytes()
    by_make, by_dvc = (Reader(client(made)).all() for made in (other, reproduced))
    assert differences(by_make, by_dvc) == []


def test_metrics_show_a_row_for_each_system(reproduced: Workspace) -> None:
    rows = reproduced.run("dvc", "metrics", "show", "--md").splitlines()
    assert "accuracy_interval" in rows[0]
    systems = [row for row in rows[2:] if row]
    assert all("reports/metrics" in row for row in systems)
    assert len(systems) == 2 + len(names("method"))
    shown = json.loads(reproduced.run("dvc", "metrics", "show", "--json"))
    assert "mean.json" in str(shown)


def test_plots_show_the_confusion_and_the_curves(copy: Workspace) -> None:
    plots = json.loads(copy.run("dvc", "plots", "show", "--json"))
    assert not plots.get("errors")
    names_of_plots = ("confusion", "learning_curves", "roc", "precision_recall", "reliability")
    assert set(plots["data"]) >= {f"reports/plots/{name}.svg" for name in names_of_plots}
    assert "html" in copy.run("dvc", "plots", "show")


def test_dvc_stops_at_a_wrong_parameter(workspace: Workspace) -> None:
    workspace.edit(lambda tree: tree["members"]["cnn_1"].update(recipe="cnnn"))
    output = workspace.run("dvc", "repro", "preprocess", status=255)
    hint = "members.cnn_1.recipe: got 'cnnn'; allowed cnn, resnet; nearest cnn"
    assert f"preprocess: params.yaml: {hint}" in output
    assert "Traceback" not in output
    assert not (workspace.folder / "data/processed").exists()


def family(folder: Path) -> list[psutil.Process]:
    """Every process that works in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(folder)) and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def endless(reproduced: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which a search, and without one a training, has no end."""
    made = reproduced.copied(tmp_path_factory.mktemp("endless") / "work")

    def edit(tree: dict[str, Any]) -> None:
        tree["recipes"]["cnn"]["training"].update(ENDLESS)
        tree["recipes"]["cnn"]["search"]["epochs"] = 5000
        tree["execution"] = {"loader_workers": 1}

    made.edit(edit)
    return made


@pytest.fixture(scope="module")
def unsearched(endless: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same without a search, where training is what DVC runs next."""
    made = endless.copied(tmp_path_factory.mktemp("unsearched") / "work")
    made.edit(lambda tree: tree["recipes"]["cnn"].pop("search"))
    made.run("dvc", "repro", "-s", "search@cnn")
    return made


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    ("stage", "state"), [("search@cnn", "endless"), ("train@cnn_1", "unsearched")]
)
def test_ending_dvc_leaves_no_process_behind(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    stage: str,
    state: str,
    blow: signal.Signals,
) -> None:
    """SIGINT goes to the group, as Ctrl-C does; the others to dvc alone."""
    copy = request.getfixturevalue(state).copied(tmp_path / "copy")
    held = Layout(copy.folder).member("cnn_1") / "fold_0/weights.safetensors"
    before = held.read_bytes()
    command = copy.start("dvc", "repro", "-s", stage)
    assert command.stdout
    for line in command.stdout:
        if "epoch 2/" in line:
            break
    assert len(family(copy.folder)) >= 3
    if blow == signal.SIGINT:
        os.killpg(command.pid, blow)
    else:
        os.kill(command.pid, blow)
    for _ in range(60):
        if not family(copy.folder):
            break
        time.sleep(0.5)
    left = family(copy.folder)
    for process in left:
        process.kill()
    assert not left
    copy.run("dvc", "checkout", "train@cnn_1")  # DVC has kept what it removed before training
    assert held.read_bytes() == before
