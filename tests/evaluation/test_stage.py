"""The stage for every kind of task, on predictions of members whose quality is known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.config.params import Params
from pipeline.core.artifacts import Card, Cost, Predictions
from pipeline.core.component import retuple
from pipeline.core.files import read_yaml, write_json
from pipeline.core.kind import Kind
from pipeline.core.paths import Layout
from pipeline.core.run_log import Spool
from pipeline.core.stage import Stage
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.evaluation.systems import Tested
from stages import ensemble, evaluate
from tests.conftest import ROOT, Workspace
from tests.evaluation.systems import KINDS, NAMES, SCALE, make_targets

TASKS = {"classes": "multiclass", "labels": "multilabel", "values": "regression"}
LOSSES = {"classes": "cross_entropy", "labels": "binary_cross_entropy", "values": "mse"}
MONITORS = {"classes": "log_loss", "labels": "log_loss", "values": "standardised_mse"}
MEMBERS = {"good": 2.0, "fair": 1.5, "poor": 0.3}
SIZES = {"val": 150, "test": 200}
POINTS = {"learning_curves", "roc", "precision_recall"}
CURVES = {"classes": {*POINTS, "confusion"}, "labels": POINTS, "values": {"learning_curves"}}


def make_logits(kind: Kind, targets: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """As a network gives them."""
    generator = np.random.default_rng(seed)
    if kind == "values":
        mean, std = SCALE
        true = (targets - mean) / std
        return (true + generator.normal(size=true.shape) / skill).astype(np.float32)
    true = np.eye(3)[targets] if kind == "classes" else targets - 0.5
    return (skill * true + generator.normal(size=true.shape)).astype(np.float32)


def make_params(kind: Kind) -> Params:
    tree = read_yaml(ROOT / "params.yaml")
    tree["task"] = {"name": TASKS[kind]}
    tree["members"] = {name: {"recipe": "cnn"} for name in MEMBERS}
    tree["evaluation"] = {"num_bootstrap": 100}
    for recipe in tree["recipes"].values():
        recipe["loss"] = {"name": LOSSES[kind]}
    tree["ensemble"] = {"methods": [{"name": "mean"}, {"name": "greedy"}]}
    if kind == "classes":
        tree["ensemble"]["costs"] = [[0, 1, 1], [1, 0, 2], [1, 1, 0]]
    return Params.model_validate(retuple(tree))


def make_inputs(kind: Kind, layout: Layout) -> None:
    """What predict and preprocess would have left."""
    scale = SCALE if kind == "values" else ()
    Card(NAMES, (8, 8, 1), "crop", 1, {}, (0.5,), (0.2,), "f", scale).save(layout.card)
    for place, (split, num) in enumerate(SIZES.items()):
        targets = make_targets(kind, num, seed=place)
        ids = np.array([f"{split}_{i}" for i in range(num)])
        folder = layout.trainval if split == "val" else layout.test
        folder.mkdir(parents=True)
        rows = zip(ids, ["0"] * num, ids, ["ab"[i % 2] for i in range(num)], strict=True)
        with (folder / "samples.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "fold", "unit", "site"), *rows])
        for seed, (member, skill) in enumerate(MEMBERS.items()):
            logits = make_logits(kind, targets, skill, seed + 10 * place)
            Predictions(ids, logits, targets).save(layout.predictions(member, split))
    for member in MEMBERS:
        write_json(layout.cost(member), Cost(10, 40, 1000)._asdict())
        history = layout.member(member) / "fold_0/history.csv"
        history.parent.mkdir(parents=True)
        history.write_text(f"epoch,val/{MONITORS[kind]}\n1,0.9\n2,0.7\n")


@pytest.fixture(scope="module", params=KINDS)
def evaluated(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kind, Layout]:
    """The kind, and a folder in which ensemble and evaluate have run."""
    root: Path = tmp_path_factory.mktemp(request.param)
    layout = Layout(root)
    make_inputs(request.param, layout)
    for name, main in (("ensemble", ensemble.main), ("evaluate", evaluate.main)):
        spool = Spool(root / "runs" / name)
        spool.open(name, {"stage": name, "fingerprint": "f"})
        main(Stage("", make_params(request.param), layout, layout, root, root, spool))
    return request.param, layout


def table(layout: Layout, name: str) -> list[dict[str, str]]:
    path = layout.tables / f"{name}.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_comparison_is_whole(evaluated) -> None:
    kind, layout = evaluated
    found = json.loads(layout.comparison.read_text(), parse_constant=pytest.fail)
    systems = [row["system"] for row in table(layout, "systems")]
    assert list(found["systems"]) == sorted(systems)
    assert set(MEMBERS) < set(systems)
    assert (found["kind"], found["num_samples"], found["notes"]) == (kind, 200, [])
    assert "200 test samples" in found["verdict"]
    assert found["over_seeds"] == []  # all members are of one recipe
    assert found["advice"][0].startswith("advice: ")
    assert len(found["labels"]) == (kind != "values")
    assert not any("not examined" in said for said in found["labels"])  # there is no other split
    assert found["best_member"] == "good"
    for name in systems:
        row = json.loads((layout.metrics / f"{name}.json").read_text())
        assert row["num_samples"] == 200
        assert " .. " in row[f"{found['headline']}_interval"]


def test_every_table_that_has_a_meaning_is_there(evaluated) -> None:
    kind, layout = evaluated
    expected = {
        "systems", "pairs", "diversity", "contributions", "cost", "sizes", "per_class", "slices",
        "calibration", "recipes", "advice",
    }  # fmt: skip
    assert [row["num_seeds"] for row in table(layout, "recipes")] == ["3"]
    if kind == "values":
        expected |= {"largest_errors"}
    else:
        expected |= {"confident_mistakes", "confused_pairs", "label_errors", "reliability"}
    expected |= CURVES[kind] | ({"prediction_sets"} if kind == "classes" else set())
    assert {path.stem for path in layout.tables.glob("*.csv")} == expected
    num_systems = len(table(layout, "systems"))
    assert len(table(layout, "pairs")) == num_systems * (num_systems - 1) / 2
    assert len(table(layout, "cost")) == num_systems
    chosen = Combiner.load(layout.system(json.loads(layout.comparison.read_text())["chosen"]))
    counted = set(chosen.without_idle().members)
    assert {row["member"] for row in table(layout, "contributions")} == counted
    sizes = table(layout, "sizes")
    assert (sizes[0]["num_members"], sizes[0]["added"]) == ("1", "good")
    assert len(sizes) == len(MEMBERS)


def test_every_figure_has_an_interval_and_a_number_of_samples(evaluated) -> None:
    kind, layout = evaluated
    for path in layout.tables.glob("*.csv"):
        if path.stem in ("confident_mistakes", "largest_errors", "label_errors", *CURVES[kind]):
            continue  # samples and points of curves, not figures
        for row in table(layout, path.stem):
            assert int(row["num_samples"]) > 0
            for column in row:
                if "calibration_error" in column:
                    assert not row.get(f"{column}_low")  # none would cover
                elif f"{column}_low" in row and row[column]:
                    low, high = float(row[f"{column}_low"]), float(row[f"{column}_high"])
                    assert low <= float(row[column]) + 1e-6
                    assert float(row[column]) <= high + 1e-6


def test_the_poor_member_is_seen_as_such(evaluated) -> None:
    _, layout = evaluated
    headline = json.loads(layout.comparison.read_text())["headline"]
    value = {row["system"]: float(row[headline]) for row in table(layout, "systems")}
    sign = -1 if headline in ("rmse", "hamming_loss", "cost") else 1
    assert sign * value["poor"] == min(sign * own for own in value.values())
    costs = {row["system"]: int(row["multiply_adds"]) for row in table(layout, "cost")}
    assert costs["poor"] == 1000
    assert costs["mean"] == 3000


def test_every_calibrator_is_measured_and_one_is_used(evaluated) -> None:
    _, layout = evaluated
    rows = table(layout, "calibration")
    by_system = {row["system"]: [r for r in rows if r["system"] == row["system"]] for row in rows}
    chosen = {row["system"]: row["calibrator"] for row in table(layout, "systems")}
    for system, own in by_system.items():
        assert {"none", "vector"} <= {row["calibrator"] for row in own}
        assert [r["calibrator"] for r in own if r["is_used"] == "True"] == [chosen[system]]


def test_learning_curves_are_those_of_the_members(evaluated) -> None:
    kind, layout = evaluated
    column = f"val_{MONITORS[kind]}"
    found = [tuple(row.values()) for row in table(layout, "learning_curves")]
    assert found == [(m, epoch, v) for m in MEMBERS for epoch, v in (("1", "0.9"), ("2", "0.7"))]
    assert list(table(layout, "learning_curves")[0]) == ["member", "epoch", column]


@pytest.mark.parametrize("evaluated", ["classes"], indirect=True)
def test_prediction_sets_are_those_that_the_packaged_model_gives(evaluated) -> None:
    """The rule that `ensemble` wrote, applied to the chosen ensemble's predictions of test."""
    kind, layout = evaluated
    tested = Tested.read(layout, make_params(kind))
    rule = PredictionSets(**retuple(json.loads(layout.sets.read_text())))
    inside = rule(tested.systems[tested.chosen].predictions)
    targets = tested.evaluator.targets
    covered = inside[np.arange(len(targets)), targets]
    rows = table(layout, "prediction_sets")
    assert [row["name"] for row in rows if row["is_used"] == "True"] == ["(all)", *NAMES]
    assert len(rows) == 6 + len(NAMES)
    assert float(rows[0]["coverage"]) == pytest.approx(covered.mean())
    assert float(rows[0]["mean_size"]) == pytest.approx(inside.sum(axis=1).mean())
    for place, row in enumerate(rows[1:4]):
        assert float(row["coverage"]) == pytest.approx(covered[targets == place].mean())
        assert int(row["num_samples"]) == (targets == place).sum()
        assert float(row["single"]) == pytest.approx(
            (inside.sum(axis=1) == 1)[targets == place].mean()
        )


@pytest.mark.parametrize("evaluated", ["classes"], indirect=True)
def test_the_confusion_matrix_counts_every_sample_once(evaluated) -> None:
    _, layout = evaluated
    cells = table(layout, "confusion")
    assert sum(int(cell["count"]) for cell in cells) == SIZES["test"]
    off = {(c["true"], c["predicted"], c["count"]) for c in cells if c["true"] != c["predicted"]}
    pairs = table(layout, "confused_pairs")
    assert off == {(pair["true"], pair["predicted"], pair["count"]) for pair in pairs}


def test_runs_hold_every_system(evaluated) -> None:
    _, layout = evaluated
    runs = layout.root / "runs/evaluate"
    figures = {figure.name: figure.value for figure in Spool(runs / "good").figures()}
    headline = json.loads(layout.comparison.read_text())["headline"]
    assert figures[f"test/{headline}_low"] <= figures[f"test/{headline}"]
    own = {figure.name for figure in Spool(runs).figures()}
    assert {f"gain_over_best_member/{headline}", "gain_over_best_member/p"} <= own


@pytest.mark.parametrize("evaluated", ["classes"], indirect=True)  # it has all that others have
def test_the_same_inputs_give_the_same_bytes(evaluated, tmp_path: Path) -> None:
    kind, layout = evaluated
    spool = Spool(tmp_path / "run")
    spool.open("evaluate", {"stage": "evaluate", "fingerprint": "f"})
    again = Layout(tmp_path)
    evaluate.main(Stage("", make_params(kind), layout, again, tmp_path, tmp_path, spool))
    first = sorted((layout.root / "reports").rglob("*.*"))
    assert len(first) > 20
    for path in first:
        assert path.read_bytes() == (tmp_path / path.relative_to(layout.root)).read_bytes()


@pytest.mark.slow
def test_costs_are_those_of_the_networks(reproduced: Workspace) -> None:
    layout = Layout(reproduced.folder)
    costs = {row["system"]: row for row in table(layout, "cost")}
    for member in ("cnn_1", "resnet_1"):
        weights = load_file(layout.member(member) / "fold_0/weights.safetensors")
        assert int(costs[member]["num_bytes"]) == sum(part.nbytes for part in weights.values())
        assert int(costs[member]["multiply_adds"]) > 1000
    both = [int(costs[name]["num_parameters"]) for name in ("cnn_1", "resnet_1")]
    assert int(costs["mean"]["num_parameters"]) == sum(both)
