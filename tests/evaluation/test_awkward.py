"""The stages `ensemble` and `evaluate` on predictions and targets that are legal and awkward."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config.load import parse_params
from pipeline.core.artifacts import Card, Cost, Predictions
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml, write_json
from pipeline.core.paths import Layout
from pipeline.core.run_log import Spool
from pipeline.core.stage import Stage
from stages import ensemble, evaluate
from tests.conftest import ROOT

SPLITS = ("val", "test")
TASKS = {"classes": "multiclass", "labels": "multilabel", "values": "regression"}
LOSSES = {"classes": "cross_entropy", "labels": "binary_cross_entropy", "values": "mse"}
OF_PROBS = [{"name": "mean"}, {"name": "weighted_geometric"}, {"name": "stacking"}]
METHODS = {"classes": OF_PROBS, "labels": OF_PROBS, "values": [{"name": "stacking"}]}


def evaluated(
    root: Path,
    targets: dict[str, np.ndarray],
    skill: float,
    units: dict[str, list[str]] | None = None,
    **ensembling: Any,
) -> dict[str, Any]:
    """Return what the stages say of two seeds of one recipe whose logits follow the targets.

    Args:
        targets: those of validation and test.
        skill: how much the logits follow the targets, in units of their noise.
        units: the unit of each sample; by default its own.
    """
    layout, rng = Layout(root), np.random.default_rng(0)
    some = targets["val"]
    kind = "classes" if some.ndim == 1 else "labels" if some.dtype == bool else "values"
    num = 2 if kind == "classes" else some.shape[1]
    scale = ((0.0,) * num, (1.0,) * num) if kind == "values" else ()
    Card(("good", "bad", "ugly")[:num], (8, 8, 1), "crop", 1, {}, (0.5,), (0.2,), "f", scale).save(
        layout.card
    )
    for split, folder in zip(SPLITS, (layout.trainval, layout.test), strict=True):
        own = targets[split]
        ids = np.array([f"{split}_{i}" for i in range(len(own))])
        folder.mkdir(parents=True)
        with (folder / "samples.csv").open("w", newline="") as file:
            rows = zip(ids, ["0"] * len(own), (units or {}).get(split, ids), strict=True)
            csv.writer(file).writerows([("id", "fold", "unit"), *rows])
        true = {"classes": np.eye(2)[own] if num == 2 else own, "labels": own - 0.5, "values": own}[
            kind
        ]
        for member in ("cnn_1", "cnn_2"):
            logits = skill * true + rng.normal(size=true.shape)
            Predictions(ids, logits.astype(np.float32), own).save(layout.predictions(member, split))
            write_json(layout.cost(member), Cost(10, 40, 1000)._asdict())
    tree = read_yaml(ROOT / "params.yaml")
    tree["task"], tree["evaluation"] = {"name": TASKS[kind]}, {"num_bootstrap": 100}
    tree["members"] = {f"cnn_{i}": {"recipe": "cnn", "seed": i} for i in (1, 2)}
    for recipe in tree["recipes"].values():
        recipe["loss"] = {"name": LOSSES[kind]}
    tree["ensemble"] = {"methods": METHODS[kind], **ensembling}
    params = parse_params(tree, "params.yaml")
    for name, main in (("ensemble", ensemble.main), ("evaluate", evaluate.main)):
        spool = Spool(root / "runs" / name)
        spool.open(name, {"stage": name, "fingerprint": "f"})
        main(Stage("", params, layout, layout, root, root, spool))
    found: dict[str, Any] = json.loads(layout.comparison.read_text(), parse_constant=pytest.fail)
    return found


def two(num_val: int, num_test: int, share: float = 0.4) -> dict[str, np.ndarray]:
    """Return targets of two classes."""
    rng = np.random.default_rng(1)
    return {
        split: (rng.random(num) < share).astype(int)
        for split, num in zip(SPLITS, (num_val, num_test), strict=True)
    }


@pytest.mark.parametrize("goal", ["half", "f1", "balanced_accuracy"])
def test_nobody_errs(tmp_path: Path, goal: str) -> None:
    found = evaluated(tmp_path, two(60, 50), 500.0, threshold=goal, positive_class="bad")
    assert "make the same decisions on all 50 test samples" in found["verdict"]
    assert any("one network is enough" in said for said in found["advice"])


@pytest.mark.parametrize("skill", [2.0, 500.0])
def test_a_test_set_without_the_positive_class_is_refused_in_one_line(
    tmp_path: Path, skill: float
) -> None:
    targets = {**two(60, 1), "test": np.zeros(50, int)}
    with pytest.raises(UserError, match=r"^test: got 50 samples that leave f1 undefined"):
        evaluated(tmp_path, targets, skill, threshold="f1", positive_class="bad")


def test_validation_without_the_positive_class_decides_by_losses(tmp_path: Path) -> None:
    targets = {"val": np.zeros(60, int), "test": np.arange(50) % 2}
    found = evaluated(tmp_path, targets, 3.0, threshold="f1", positive_class="bad")
    assert any("validation has no sample of bad" in note for note in found["notes"])


def test_a_test_set_of_one_group_shows_nothing_of_another(tmp_path: Path) -> None:
    targets = two(60, 40)
    found = evaluated(tmp_path, targets, 1.5, units={"test": ["patient"] * 40})
    assert found["p"] == 1
    assert found["equivalence"]["p"] == 1
    assert found["over_seeds"] == []
    assert "no difference shown" in found["verdict"] or "same decisions" in found["verdict"]
    assert "can show no difference" in found["resolved"]


def test_no_difference_between_shares_exceeds_the_whole(tmp_path: Path) -> None:
    """Two groups: 1,160 points of accuracy were called the smallest difference that is shown."""
    halves = {split: ["a"] * 30 + ["b"] * 30 for split in SPLITS}
    found = evaluated(tmp_path, two(60, 60), 1.5, units=halves)
    smallest = found["smallest_difference"]
    assert smallest is None or smallest <= 1


@pytest.mark.parametrize("num_test", [1, 2, 3])
def test_very_few_samples(tmp_path: Path, num_test: int) -> None:
    assert evaluated(tmp_path, two(5, num_test), 2.0)["num_samples"] == num_test


@pytest.mark.parametrize("goal", ["half", "balanced_accuracy"])
def test_labels_that_no_sample_has(tmp_path: Path, goal: str) -> None:
    targets = {split: np.zeros((40, 3), bool) for split in SPLITS}
    found = evaluated(tmp_path, targets, 3.0, threshold=goal)
    assert len(found["notes"]) == 2


def test_values_that_do_not_vary(tmp_path: Path) -> None:
    targets = {split: np.full((40, 1), 3.0) for split in SPLITS}
    found = evaluated(tmp_path, targets, 1.0)
    assert found["headline"] == "rmse"
