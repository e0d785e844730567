"""What a fit makes of labels and of values: their loss, mixed, weighed and standardised."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.config.recipes import Recipe
from pipeline.config.training import Training
from pipeline.core.component import make, schema
from pipeline.models.network import Network
from pipeline.training.datamodule import DataModule, Inputs
from tests.training.fits import fit_here, job, logged
from tests.training.test_data import NUM, SHAPE, inputs

MIXED = {"mixup_alpha": 0.4, "cutmix_alpha": 1.0}
MODEL = make("model", "cnn", widths=(4,), batch_norm=False)
MEAN, STD = torch.tensor([3.0, -200.0, 50.0]), torch.tensor([0.5, 40.0, 3.0])
LOSSES = {"multilabel": "binary_cross_entropy", "regression": "mse"}
SEED = 2


def given(task: str, mixing: dict[str, float] | None) -> Inputs:
    """Random images with three labels, the rarer the later, or with three values."""
    made, generator = inputs("crop_flip", mixing), np.random.default_rng(0)
    if task == "multilabel":
        targets, scale = generator.random((NUM, 3)) < (0.6, 0.4, 0.2), ()
    else:
        targets = generator.normal(MEAN, STD, (NUM, 3)).astype(np.float32)
        scale = (tuple(MEAN.tolist()), tuple(STD.tolist()))
    packed = made.train._replace(targets=targets)
    card = replace(made.card, target_scale=scale)
    return replace(made, card=card, train=packed, val=packed)


def told_loss(task: str, made: Inputs, folder: Path, settings: dict[str, Any]) -> float:
    """The training loss of an epoch in which nothing is learned."""
    chosen = Recipe(
        model=MODEL,
        loss=schema("loss", LOSSES[task])(name=LOSSES[task]),
        training={"epochs": 1, "batch_size": 8, "lr": 1e-12, **settings},
    )
    wanted = job(folder, chosen, task=task, seed=SEED)
    fit_here(wanted, made)
    ((_, figures),) = logged(wanted)
    return figures["train/loss"]


def expected_loss(task: str, made: Inputs, weights: Tensor) -> float:
    """By the definitions, of the same batches."""
    network, losses = Network.create(MODEL, made.card, SHAPE, 3, SEED), []
    settings = Training(epochs=1, batch_size=8, lr=1.0)
    for images, first, others, share, *_ in DataModule(made, settings, SEED).batches(epoch=0):
        second = first if others is None else others
        with torch.no_grad():
            logits = network(images)
        if task == "multilabel":  # linear in the targets: that of the mixed label
            p, soft = logits.sigmoid(), share * first.float() + (1 - share) * second.float()
            losses.append((weights * nn.BCELoss(reduction="none")(p, soft)).mean())
        else:  # that of the mixed value, and what no network could learn of it
            a, b = ((t - MEAN) / STD for t in (first, second))
            mix = share * a + (1 - share) * b
            spread = share * (1 - share) * (a - b) ** 2
            losses.append((weights * (logits - mix) ** 2 + spread).mean())
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("mixing", [None, MIXED], ids=["plain", "mixed"])
@pytest.mark.parametrize("task", LOSSES)
def test_the_loss_is_of_standardised_and_mixed_targets(
    task: str, mixing: dict[str, float] | None, tmp_path: Path
) -> None:
    made = given(task, mixing)
    expected = pytest.approx(expected_loss(task, made, torch.ones(3)), rel=1e-4)
    assert told_loss(task, made, tmp_path / "whole", {}) == expected
    assert told_loss(task, made, tmp_path / "parts", {"micro_batches": 2}) == expected


def test_a_label_weighs_by_the_images_that_have_it(tmp_path: Path) -> None:
    made = given("multilabel", MIXED)
    rarity = 1 / torch.from_numpy(made.train.targets.sum(axis=0))
    expected = expected_loss("multilabel", made, rarity / rarity.mean())
    logged = told_loss("multilabel", made, tmp_path, {"class_weights": "inverse"})
    assert logged == pytest.approx(expected, rel=1e-4)
    assert logged != pytest.approx(expected_loss("multilabel", made, torch.ones(3)), rel=1e-3)
