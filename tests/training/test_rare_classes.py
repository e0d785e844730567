"""What a fit makes of class weights that begin late, and of adjusted logits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from pipeline.config.hardware import Hardware
from pipeline.config.recipes import Recipe
from pipeline.config.training import Training
from pipeline.core.component import make
from pipeline.lr_finder.find import find_lr
from pipeline.models.network import Network
from pipeline.prediction.predictor import predict_logits
from pipeline.training.balance import class_weights
from pipeline.training.datamodule import DataModule, Inputs
from pipeline.training.fit import module_of
from tests.training.fits import fit_here, job, logged
from tests.training.test_data import SHAPE, inputs

MIXED = {"mixup_alpha": 0.4, "cutmix_alpha": 1.0}
MODEL = make("model", "cnn", widths=(4,), batch_norm=False)
CPU, SEED = torch.device("cpu"), 2
TASKS = {"multiclass": "cross_entropy", "binary": "binary_cross_entropy"}


def given(task: str, mixing: dict[str, float] | None = None) -> Inputs:
    """Random images of three classes, or of two, the rarer the later."""
    made = inputs("crop_flip", mixing)
    num_classes = 3 if task == "multiclass" else 2
    targets = np.sort(made.train.targets)[::-1] % num_classes
    packed = made.train._replace(targets=np.ascontiguousarray(targets))
    card = replace(made.card, classes=made.card.classes[:num_classes])
    return replace(made, card=card, train=packed, val=packed)


def recipe(task: str, **training: Any) -> Recipe:
    settings = {"epochs": 1, "batch_size": 8, "lr": 1e-12, **training}
    return Recipe(model=MODEL, loss=make("loss", TASKS[task]), training=settings)


def both(logits: torch.Tensor) -> torch.Tensor:
    """Return a logit for each class, where one logit distinguishes two."""
    return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], dim=1)


def expected_loss(
    task: str, made: Inputs, log_shares: np.ndarray, weights: np.ndarray, epoch: int = 0
) -> float:
    """Compute the mean loss of an epoch by its definition, for logits that never change."""
    num_outputs = 3 if task == "multiclass" else 1
    network, losses = Network.create(MODEL, made.card, SHAPE, num_outputs, SEED), []
    data = DataModule(made, Training(epochs=1, batch_size=8, lr=1.0), SEED)
    for images, first, others, share, *_ in data.batches(epoch):
        second = first if others is None else others
        with torch.no_grad():
            logits = both(network(images)) + torch.tensor(log_shares)
        by_image = [
            torch.tensor(weights)[targets] * cross_entropy(logits, targets, reduction="none")
            for targets in (first, second)
        ]
        losses.append((share * by_image[0] + (1 - share) * by_image[1]).mean())
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("mixing", [None, MIXED], ids=["plain", "mixed"])
@pytest.mark.parametrize("task", TASKS)
def test_the_loss_sees_logits_with_the_log_of_the_shares(
    task: str, mixing: dict[str, float] | None, tmp_path: Path
) -> None:
    made = given(task, mixing)
    counts = np.bincount(made.train.targets)
    ones = np.ones(len(counts))
    expected = expected_loss(task, made, 1.5 * np.log(counts / counts.sum()), ones)
    wanted = job(tmp_path, recipe(task, logit_adjustment=1.5), task=task, seed=SEED)
    fit_here(wanted, made)
    ((_, figures),) = logged(wanted)
    assert figures["train/loss"] == pytest.approx(expected, rel=1e-4)
    assert expected != pytest.approx(expected_loss(task, made, 0 * ones, ones), rel=1e-2)


@pytest.mark.parametrize("task", TASKS)
def test_weights_that_begin_late_change_the_loss_of_the_last_epochs(
    task: str, tmp_path: Path
) -> None:
    made = given(task)
    chosen = recipe(task, epochs=4, class_weights="inverse", class_weights_start=0.5)
    wanted = job(tmp_path, chosen, task=task, seed=SEED)
    fit_here(wanted, made)
    weights = class_weights(np.bincount(made.train.targets), "inverse")
    ones, none = np.ones(len(weights)), np.zeros(len(weights))
    by_epoch = [ones, ones, weights, weights]
    expected = [expected_loss(task, made, none, own, epoch) for epoch, own in enumerate(by_epoch)]
    assert [figures["train/loss"] for _, figures in logged(wanted)] == pytest.approx(expected)
    assert expected[3] != pytest.approx(expected_loss(task, made, none, ones, 3), rel=1e-2)


@pytest.mark.parametrize("task", TASKS)
def test_epochs_are_compared_by_predictions_for_the_shares_of_val(
    task: str, tmp_path: Path
) -> None:
    made = given(task)
    chosen = recipe(task, class_weights="inverse", lr=0.01)
    wanted = job(tmp_path, chosen, task=task, seed=SEED)
    network = fit_here(wanted, made)
    ((_, figures),) = logged(wanted)
    logits = both(torch.from_numpy(predict_logits(network, made.val.images, CPU)).double())
    counts, targets = np.bincount(made.val.targets), torch.from_numpy(made.val.targets)
    prior = counts * class_weights(counts, "inverse")  # even
    corrected = logits + torch.from_numpy(np.log((counts + 0.5) / prior))
    assert figures["val/log_loss"] == pytest.approx(float(cross_entropy(corrected, targets)))
    assert figures["val/log_loss"] != pytest.approx(float(cross_entropy(logits, targets)), rel=1e-2)


@pytest.mark.parametrize(("start", "expected"), [(0.0, False), (0.5, True)])
def test_the_best_epoch_is_one_with_the_weights(
    start: float, expected: bool, tmp_path: Path
) -> None:
    chosen = recipe("multiclass", epochs=4, class_weights="inverse", class_weights_start=start)
    module = module_of(job(tmp_path, chosen), given("multiclass"))
    module._watched = [0.5, 0.4, 0.9]
    assert module.is_best is expected
    module._watched += [1.0]
    assert not module.is_best


def test_the_learning_rate_finder_adjusts_logits_too() -> None:
    made, hardware = given("multiclass"), Hardware(accelerator="cpu", precision="fp32")
    task, log_shares = (
        make("task", "multiclass"),
        np.log(np.bincount(given("multiclass").train.targets)),
    )
    chosen = recipe("multiclass", logit_adjustment=1.0)
    first = find_lr(chosen, made, task=task, seed=SEED, hardware=hardware)[0]
    data = DataModule(made, chosen.training, SEED)
    batch = next(data.batches(epoch=0))
    network = Network.create(MODEL, made.card, SHAPE, 3, SEED)
    with torch.no_grad():
        logits = network(batch.images) + torch.tensor(log_shares)
    assert first.loss == pytest.approx(float(cross_entropy(logits, batch.targets)), rel=1e-4)
