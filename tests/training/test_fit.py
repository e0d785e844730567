"""A fit: learns, repeats to the bit, and does not depend on workers or on devices."""

import csv
import subprocess
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.config.load import parse_params
from pipeline.core.files import read_yaml
from pipeline.core.paths import Layout
from pipeline.core.run_log import Spool
from pipeline.execution.job import Job
from pipeline.models.network import Network
from pipeline.prediction.predictor import predict_logits
from pipeline.tasks.multiclass import predictions as log_probs
from pipeline.tasks.multiclass import scores
from pipeline.training.datamodule import Inputs
from tests.conftest import ROOT, Workspace

RESNET = {"name": "resnet", "widths": [8, 16]}


def job(
    workspace: Workspace,
    name: str,
    training: dict[str, Any],
    model: dict[str, Any],
    loader_workers: int = 0,
    **hardware: Any,
) -> Job:
    tree = read_yaml(ROOT / "params.yaml")
    recipe = {
        "model": model,
        "loss": {"name": "cross_entropy"},
        "training": {"epochs": 3, "batch_size": 64, "lr": 0.01, **training},
    }
    tree.update(recipes={"r": recipe}, members={"m": {"recipe": "r"}, "n": {"recipe": "r"}})
    tree["hardware"] = {"precision": "fp32", **hardware}
    tree["execution"] = {"loader_workers": loader_workers}
    settings, folder = parse_params(tree, "test"), workspace.folder / name
    spool = Spool(folder / "spool")
    spool.open("test", {"fingerprint": "", "stage": "train"})
    return Job(
        title="t",
        recipe=settings.recipes["r"],
        task=settings.task,
        hardware=settings.hardware,
        execution=settings.execution,
        seed=3,
        folder=f"{folder / 'checkpoints'}",
        spool=f"{spool.folder}",
        network=f"{folder}",
    )


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Digits, packed, with the default policy."""
    made = Workspace(tmp_path_factory.mktemp("fit") / "work")
    for stage in ("preprocess", "augment"):
        made.stage(stage)
    return made


def train(
    workspace: Workspace,
    name: str,
    training: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
    **hardware: Any,
) -> tuple[dict, list[dict[str, float]]]:
    """Weights and history of a fit in processes of its own; the first of all is no fork."""
    folder = workspace.folder / name
    if not folder.exists():
        wanted = job(workspace, name, training or {}, model or RESNET, **hardware)
        wanted.prepare()
        module = ["python", "-m", wanted.MODULE, f"{wanted.file}"]
        env = workspace.environment() if name == "one" else workspace.forking()
        subprocess.run(module, cwd=workspace.folder, env=env, check=True)
    with (folder / "history.csv").open() as file:
        rows = [{key: float(v) for key, v in row.items()} for row in csv.DictReader(file)]
    return load_file(folder / "weights.safetensors"), rows


@pytest.mark.slow
def test_the_same_fit_gives_the_same_bits(packed: Workspace) -> None:
    first, again = train(packed, "one"), train(packed, "again")
    assert first[1] == again[1]
    assert all(torch.equal(first[0][k], again[0][k]) for k in first[0])


@pytest.mark.slow
def test_it_learns(packed: Workspace) -> None:
    history = train(packed, "one")[1]
    assert len(history) == 3
    assert history[2]["train/loss"] < history[0]["train/loss"]
    assert history[2]["val/accuracy"] > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_loader_workers_change_no_bit(packed: Workspace, workers: int) -> None:
    alone = train(packed, "one")
    helped = train(packed, f"workers{workers}", loader_workers=workers)
    assert helped[1] == alone[1]
    assert all(torch.equal(alone[0][k], helped[0][k]) for k in alone[0])


@pytest.mark.slow
def test_two_processes_agree_with_one(packed: Workspace) -> None:
    """Same samples in the same batches, global batch norm: apart by float additions alone."""
    one, two = train(packed, "one"), train(packed, "two", devices=2, accelerator="cpu")
    assert len(two[1]) == len(one[1])
    for a, b in zip(one[1], two[1], strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose(list(b.values()), list(a.values()), rtol=0.02, atol=2e-3)
    assert two[0].keys() == one[0].keys()
    for name, weight in one[0].items():
        np.testing.assert_allclose(two[0][name], weight, rtol=0.05, atol=0.02, err_msg=name)


@pytest.mark.slow
def test_bf16_learns_too(packed: Workspace) -> None:
    assert train(packed, "bf16", precision="bf16")[1][2]["val/accuracy"] > 0.5


@pytest.mark.slow
def test_it_learns_from_weighted_classes_in_balanced_epochs(packed: Workspace) -> None:
    settings = {"class_weights": "effective", "sampling": "balanced", "resampling": "under"}
    history = train(packed, "balanced", settings)[1]
    assert history[2]["train/loss"] < history[0]["train/loss"]
    assert history[2]["val/accuracy"] > 0.4


@pytest.mark.slow
def test_it_stops_early_and_keeps_the_best_epoch(packed: Workspace) -> None:
    """At this rate it soon gets worse; what comes back is the network of its best epoch."""
    settings = {
        "epochs": 30,
        "lr": 0.3,
        "patience": 2,
        "schedule": {"name": "cosine", "warmup_epochs": 0.0},
    }
    history = train(packed, "stopped", settings)[1]
    losses = [figures["val/log_loss"] for figures in history]
    assert len(losses) == int(np.argmin(losses)) + 1 + 2 < 30
    val = Inputs.open(Layout(packed.folder)).val
    kept = Network.load(packed.folder / "stopped")
    log_p = log_probs(predict_logits(kept, val.images, torch.device("cpu")))
    found = scores(log_p, val.targets)["log_loss"].mean()
    assert found == pytest.approx(min(losses), rel=1e-4)
