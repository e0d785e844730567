"""The learning-rate finder on a recipe: the same steps as by hand, and as a user sees it."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from pipeline.config.hardware import Hardware
from pipeline.core.component import make
from pipeline.lr_finder.find import find_lr
from pipeline.models.network import Network
from pipeline.training.batches import Batch
from pipeline.training.datamodule import DataModule
from tests.conftest import Workspace
from tests.training.fits import recipe
from tests.training.test_data import SHAPE, inputs

GIVEN = inputs("crop_flip", None)
PLAIN = recipe(
    {"optimiser": {"name": "sgd", "momentum": 0.0}, "weight_decay": 0.0}, {"dropout": 0.0}
)


def batches() -> Iterator[Batch]:
    data = DataModule(GIVEN, PLAIN.training, seed=0)
    for epoch in count():
        yield from data.batches(epoch)


def losses_by_hand(lrs: list[float]) -> list[float]:
    """Of plain gradient descent, before each step; neither schedule nor warm-up."""
    network = Network.create(PLAIN.model, GIVEN.card, SHAPE, 3, 0)
    found = []
    for lr, batch in zip(lrs, batches(), strict=False):
        loss = cross_entropy(network(batch.images), batch.targets)
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter.sub_(lr * gradient)
        found.append(loss.item())
    return found


def test_its_steps_are_those_of_the_recipe_at_rising_rates() -> None:
    task = make("task", "multiclass")
    hardware = Hardware(accelerator="cpu", devices=2, precision="fp32")  # of which it takes one
    points = find_lr(PLAIN, GIVEN, task=task, seed=0, hardware=hardware)
    assert len(points) == 100
    losses = losses_by_hand([point.lr for point in points])
    for num in (1, 12, 60):  # afterwards rates are too high for equal bits
        expected = np.average(losses[:num], weights=0.9 ** np.arange(num)[::-1])
        assert points[num - 1].loss == pytest.approx(expected, rel=1e-4)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.mark.slow
def test_the_command_suggests_rates_and_writes_nothing(workspace: Workspace) -> None:
    for stage in ("preprocess", "augment"):
        workspace.stage(stage)
    before = files(workspace.folder)
    printed = workspace.run("python", "-m", "pipeline", "lr", "cnn")
    assert re.search(r"\n 1\.0e-07 +2\.\d+  █{30,}", printed)  # about the log of ten classes
    low, high = map(float, re.search(r"now; suggested (\S+) to (\S+)\n", printed).groups())
    assert 1e-4 < low <= high < 1
    assert {f"steepest {rate:.2g}" in printed for rate in (low, high)} == {True, False}
    assert files(workspace.folder) == before


@pytest.mark.slow
def test_the_command_says_what_it_lacks(workspace: Workspace) -> None:
    printed = workspace.run("python", "-m", "pipeline", "lr", "cnn", status=1)
    assert printed == "data/processed/card.json: not found; run `dvc repro augment`\n"
    printed = workspace.run("python", "-m", "pipeline", "lr", "cn", status=1)
    assert "recipes: got 'cn'; allowed cnn, resnet; nearest cnn" in printed
