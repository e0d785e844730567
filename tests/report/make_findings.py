"""Outputs of all stages before the report, invented, for each kind of task."""

import csv
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.config.params import Params
from pipeline.core.artifacts import Card, Cost
from pipeline.core.component import retuple
from pipeline.core.files import read_json, read_yaml, write_json
from pipeline.core.kind import Kind
from pipeline.core.paths import Layout
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.metrics import headline, metrics
from pipeline.report.findings import Findings
from tests.conftest import ROOT

TASKS: dict[Kind, str] = {"classes": "multiclass", "labels": "multilabel", "values": "regression"}
LOSS = {"classes": "cross_entropy", "labels": "binary_cross_entropy", "values": "mse"}
HEADLINE = {kind: headline(kind, 3, "half", None) for kind in TASKS}
MEMBERS = ("cnn_1", "cnn_2", "resnet_1", "resnet_2")
ENSEMBLES = ("mean", "greedy", "stacking")
NAMES = ("cat", "dog", "<script>alert(1)</script>", "eagle owl", "newt")
NUM_SAMPLES = 2_000
UP, DOWN = 0.01, -0.012


def params(kind: Kind) -> Params:
    """The default parameters with another task."""
    tree = read_yaml(ROOT / "params.yaml")
    tree["task"] = {"name": TASKS[kind]}
    for recipe in tree["recipes"].values():
        recipe["loss"] = {"name": LOSS[kind]}
    return Params.model_validate(retuple(tree))


def write(root: Path, kind: Kind = "classes") -> Layout:
    """All that the report reads."""
    layout, rng = Layout(root), np.random.default_rng(0)
    _card(layout, kind)
    _systems(layout, kind, rng)
    _members(layout, kind, rng)
    _slices(layout)
    _errors(layout, kind)
    _pictures(layout, kind, rng)
    _searches(layout, params(kind))
    if kind != "values":
        _probabilities(layout, kind)
    return layout


def table(path: Path, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([heading, *rows])


def ends(name: str) -> tuple[str, str, str]:
    """The columns of an estimate."""
    return name, f"{name}_low", f"{name}_high"


def _card(layout: Layout, kind: Kind) -> None:
    counts = {
        split: {} if kind == "values" else {name: 40 * (i + 1) for i, name in enumerate(NAMES)}
        for split in ("train", "val", "test")
    }
    scale = ((0.0,) * 5, (1.0,) * 5) if kind == "values" else ()
    Card(
        NAMES, (32, 32, 3), "crop", 1, counts, (0.5,) * 3, (0.2,) * 3, "2fca1777146bda6d", scale
    ).save(layout.card)
    write_json(layout.audit / "counts.json", {"num_images": 10_000, "near_duplicate": 3})
    shares = ("differing shares", "train", "test", "newt 40.0% and 10.0%, p < 0.001")
    table(layout.audit / "findings.csv", ("kind", "id", "other", "detail"), [shares])


def _systems(layout: Layout, kind: Kind, rng: np.random.Generator) -> None:
    systems = [*MEMBERS, *ENSEMBLES]
    names = list(metrics(kind, 5, num_bins=15, top_k=3, costs=None, positive=None))
    level = {name: 0.9 + 0.01 * i for i, name in enumerate(systems)}

    def figures(value: float) -> dict[str, Any]:
        return Estimate(value, value + DOWN, value + UP, NUM_SAMPLES)._asdict()

    write_json(
        layout.comparison,
        {
            "verdict": "the ensemble greedy beats the best member resnet_2 by 1.20 points of "
            "accuracy [0.40, 2.10], 21% less error [8%, 33%], 95% interval, p = 0.003, "
            "2,000 test samples, for these trained systems",
            "resolved": "with these 2,000 test samples, a true difference of 0.90 points of "
            "accuracy is detected in 80% of cases, a smaller one less often",
            "kind": kind,
            "headline": HEADLINE[kind],
            "over_seeds": ["over seeds, recipe resnet beats recipe cnn by 1.00 points"],
            "labels": ["at most about 97 [61, 143] of 2,000 labels are wrong"],
            "advice": ["advice: keep the ensemble", "advice: one more seed of cnn helps most"],
            "notes": ["test has no sample of newt, so it says nothing about it"],
            "chosen": "greedy",
            "best_member": "resnet_2",
            "p": 0.003,
            "error_reduction": figures(0.21),
            "differences": {name: figures(0.015) for name in names},
            "systems": {s: {name: figures(level[s]) for name in names} for s in systems},
        },
    )
    write_json(
        layout.ensemble / "choice.json",
        {"chosen": "greedy", "best_member": "resnet_2", "members": list(MEMBERS),
         "ensembles": list(ENSEMBLES)},
    )  # fmt: skip
    for name in systems:
        write_json(layout.system(name), {"calibrator": "temperature"})
    table(
        layout.tables / "pairs.csv",
        ("first", "second", *ends("difference"), "num_samples", "p", "p_corrected"),
        (
            (a, b, level[a] - level[b], level[a] - level[b] + DOWN, level[a] - level[b] + UP,
             NUM_SAMPLES, 0.001, 0.01 if abs(level[a] - level[b]) > 0.02 else 0.4)
            for a, b in combinations(systems, 2)
        ),
    )  # fmt: skip
    table(
        layout.tables / "cost.csv",
        ("system", "num_members", *Cost._fields, *ends("figure"), "num_samples", "on_frontier"),
        (
            (s, 1, 12_345 * (i + 1), 49_380 * (i + 1), 10 ** (5 + i / 2),
             level[s], level[s] + DOWN, level[s] + UP, NUM_SAMPLES, i != 1)
            for i, s in enumerate(systems)
        ),
    )  # fmt: skip


def _members(layout: Layout, kind: Kind, rng: np.random.Generator) -> None:
    table(
        layout.tables / "recipes.csv",
        ("recipe", "num_seeds", *ends("mean"), "std", "num_samples"),
        (("resnet", 2, 0.93, 0.9, 0.95, 0.01, NUM_SAMPLES), ("cnn", 2, 0.9, 0.8, 1, 0.02, 2000)),
    )
    table(
        layout.tables / "recipe_pairs.csv",
        ("first", "second", "num_seeds", *ends("difference"), "num_samples", "p", "p_corrected",
         "training_share", "seeds_needed"),
        [("cnn", "resnet", "2 and 2", -0.03, -0.05, -0.01, NUM_SAMPLES, 0.01, 0.01, 0.6, 3),
         ("cnn", "mlp", "2 and 2", -0.01, -0.05, 0.03, NUM_SAMPLES, 0.4, 0.4, 0.6, "")],
    )  # fmt: skip
    figures = ("loss", "error_correlation", "twice", "limit", "saved")
    table(
        layout.tables / "advice.csv",
        ("recipe", "num_seeds", *(column for f in figures for column in ends(f)), "num_samples"),
        [("cnn", 2, *(0.1, 0.08, 0.12) * 5, NUM_SAMPLES)],
    )
    measures = ("disagreement", "error_correlation")
    table(
        layout.tables / "diversity.csv",
        (
            "first",
            "second",
            *(f"{m}{end}" for m in measures for end in ("", "_low", "_high")),
            "num_samples",
        ),
        ((a, b, 0.1, 0.08, 0.12, 0.5, 0.4, 0.6, NUM_SAMPLES) for a, b in combinations(MEMBERS, 2)),
    )
    table(
        layout.tables / "contributions.csv",
        ("member", "difference", "difference_low", "difference_high", "num_samples", "p"),
        (
            (m, 0.004 - 0.002 * i, -0.004, 0.01, NUM_SAMPLES, 0.01 + i / 5)
            for i, m in enumerate(MEMBERS[1:])
        ),
    )
    table(
        layout.tables / "sizes.csv",
        ("num_members", "added", "figure", "figure_low", "figure_high", "num_samples"),
        (
            (i + 1, m, 0.9 + i / 50, 0.88 + i / 50, 0.91 + i / 50, NUM_SAMPLES)
            for i, m in enumerate(MEMBERS)
        ),
    )
    monitor = {"classes": "log_loss", "labels": "log_loss", "values": "standardised_mse"}[kind]
    table(
        layout.tables / "learning_curves.csv",
        ("member", "epoch", f"val_{monitor}"),
        ((m, e, (1 + i / 4) / e) for i, m in enumerate(MEMBERS) for e in range(1, 20)),
    )


def _slices(layout: Layout) -> None:
    table(
        layout.tables / "slices.csv",
        ("column", "part", "figure", "figure_low", "figure_high", "num_samples",
         "difference", "difference_low", "difference_high", "p"),
        (
            ("brightness", f"{10 * i} to {10 * i + 10}", 0.8 + i / 50, 0.77, 0.9, 200,
             i / 50 - 0.1, -0.2, 0.1, 0.02 * 2**i)
            for i in range(6)
        ),
    )  # fmt: skip


def _errors(layout: Layout, kind: Kind) -> None:
    if kind == "values":
        heading, row = ("id", "value", "true", "predicted", "error"), ("a/1", "cat", 1.5, 9.5, 8.0)
    else:
        heading = ("id", "true", "predicted", "probability", "true_probability")
        row = ("a/1", "dog", "cat", 0.998, 0.001)  # type: ignore[assignment]
        table(
            layout.tables / "confused_pairs.csv",
            ("true", "predicted", "count", "num_true", *ends("share"), "num_samples"),
            [("dog", "cat", 12, 80, 0.15, 0.1, 0.2, 80), ("cat", "dog", 9, 40, 0.22, 0.1, 0.3, 40)],
        )
        table(
            layout.tables / "label_errors.csv",
            ("id", "given", "suggested", "given_probability", "suggested_probability", "margin"),
            [("a/7", "dog", NAMES[2], 0.02, 0.97, 0.95)],
        )
    name = "largest_errors" if kind == "values" else "confident_mistakes"
    table(layout.tables / f"{name}.csv", heading, [row])


def _pictures(layout: Layout, kind: Kind, rng: np.random.Generator) -> None:
    for path in (
        layout.augmentation / "preview.png",
        *(layout.inspection / f"m_{i}{end}.png" for i in range(6) for end in ("", "_map")),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 600 if path.stem == "preview" else 112
        small = rng.integers(0, 255, (8, 8, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(small, (size, size), interpolation=cv2.INTER_NEAREST))
    items = [
        {"id": f"a/{i}", "caption": "dog, predicted cat (99%)", "image": f"m_{i}.png",
         "map": f"m_{i}_map.png" if i else None}
        for i in range(6)
    ]  # fmt: skip
    write_json(
        layout.inspection / "gallery.json",
        {"looked_with": "resnet_2", "sections": {"confident_mistakes": items}},
    )
    write_json(
        layout.augmentation / "statistics.json",
        [{"name": "Pad", "probability": 1.0, "mean_pixel_change": 0.0, "settings": {"padding": 1}}],
    )
    table(
        layout.inspection / "robustness.csv",
        ("condition", "strength", "system", HEADLINE[kind], "low", "high", "num_samples"),
        [(c, k if c != "none" else 0, s, 0.95 - 0.05 * k, 0.9 - 0.05 * k, 0.99 - 0.05 * k, 500)
         for c in ("none", "haze", "jpeg") for k in ((0,) if c == "none" else (1, 3, 5))
         for s in ("greedy", "resnet_2")],
    )  # fmt: skip


def _searches(layout: Layout, tree: Params) -> None:
    for name, recipe in tree.recipes.items():
        write_json(layout.search(name) / "chosen.json", recipe.model_dump())
    rows = [
        (0, "COMPLETE", 6, 0.3, 0.001, "relu"),
        (1, "COMPLETE", 6, 0.2, 0.1, "gelu"),
        (2, "FAIL", 1, "", 0.02, "relu"),
    ]
    heading = ("trial", "state", "epochs", "val_log_loss", "training.lr", "model.activation")
    table(layout.search("cnn") / "trials.csv", heading, rows)
    table(layout.search("resnet") / "trials.csv", heading[:3], [])
    summary = {
        "objectives": {"val_log_loss": "minimize"}, "chosen": 1, "front": [1],
        "importances": {"training.lr": 0.8, "model.activation": 0.2},
    }  # fmt: skip
    write_json(layout.search("cnn") / "study.json", summary)


def _probabilities(layout: Layout, kind: Kind) -> None:
    table(
        layout.tables / "calibration.csv",
        (
            "system",
            "calibrator",
            "is_used",
            "log_loss",
            "log_loss_low",
            "log_loss_high",
            "expected",
            "debiased",
            "p",
            "num_samples",
        ),
        (
            (s, c, c == "temperature", 0.2, 0.18, 0.22, 0.011, 0.004, 0.31, NUM_SAMPLES)
            for s in (*MEMBERS, *ENSEMBLES)
            for c in ("none", "temperature")
        ),
    )
    table(
        layout.tables / "reliability.csv",
        ("curve", "predicted", "observed", "low", "high", "num_samples"),
        (("(all)", p / 10, p / 10 + 0.02, p / 10 - 0.03, p / 10 + 0.06, 100) for p in range(2, 10)),
    )
    shares = [i / 10 for i in range(11)]
    for name, x, y in (
        ("roc", "false_positive_rate", "true_positive_rate"),
        ("precision_recall", "recall", "precision"),
    ):
        table(
            layout.tables / f"{name}.csv",
            ("curve", x, y),
            ((c, s, s ** (0.2 + i / 10)) for i, c in enumerate(NAMES) for s in shares),
        )
    table(
        layout.tables / "per_class.csv",
        ("name", "metric", "value", "low", "high", "num_samples"),
        (
            (c, m, 0.9 - i / 20, 0.8, 0.95, 400)
            for i, c in enumerate(NAMES)
            for m in ("precision", "recall", "f1")
        ),
    )
    if kind == "classes":
        quality = (0.91, 0.9, 0.92, 1.2, 1.1, 1.3, 0.8, 0.7, 0.9, NUM_SAMPLES)
        table(
            layout.tables / "prediction_sets.csv",
            ("method", "by_class", "is_used", "name", *ends("coverage"), *ends("mean_size"),
             *ends("single"), "num_samples"),
            (
                *((m, by, m == "lac" and not by, "(all)", *quality)
                  for m in ("lac", "aps", "raps") for by in (False, True)),
                *(("lac", False, True, name, *quality) for name in NAMES),
            ),
        )  # fmt: skip
        table(
            layout.tables / "confusion.csv",
            ("true", "predicted", "count"),
            ((NAMES[i], NAMES[(i + k) % 5], 1 if k else 8) for i in range(5) for k in range(2)),
        )


def many(layout: Layout, num: int) -> Findings:
    """With so many more systems, each better than those before it."""
    tree = read_json(layout.comparison)
    for i in range(num):
        figures = {"value": 0.96 + i / 1000, "low": 0.9, "high": 1.0, "num_samples": NUM_SAMPLES}
        tree["systems"][f"extra_{i}"] = dict.fromkeys(tree["systems"]["greedy"], figures)
    write_json(layout.comparison, tree)
    return Findings(layout, params("classes"))
