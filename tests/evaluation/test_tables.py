"""Tables: what is flattened into columns, and that nothing is lost on the way."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.core.artifacts import Cost
from pipeline.core.paths import Layout
from pipeline.evaluation import tables
from pipeline.evaluation.each import absences, each
from pipeline.evaluation.histories import Epoch, histories
from pipeline.evaluation.intervals import Estimate
from tests.evaluation.systems import NAMES, make_evaluator, make_system, make_targets


class Priced(NamedTuple):
    system: str
    cost: Cost
    figure: Estimate
    others: dict[str, Estimate]


@dataclass(frozen=True)
class Plain:
    name: str
    count: int


def test_estimates_and_parts_become_columns(tmp_path: Path) -> None:
    own, other = Estimate(0.123456789, 0.1, 0.2, 50), Estimate(1.0, 0.5, 1.5, 70)
    rows = [Priced("a", Cost(1, 2, 3), own, {"q": other}), Priced("b", Cost(4, 5, 6), own, {})]
    tables.write(tmp_path / "new/t.csv", rows)
    with (tmp_path / "new/t.csv").open() as file:
        first, second = csv.DictReader(file)
    assert first == {
        "system": "a", "num_parameters": "1", "num_bytes": "2", "multiply_adds": "3",
        "figure": "0.123457", "figure_low": "0.1", "figure_high": "0.2",
        "q": "1", "q_low": "0.5", "q_high": "1.5", "num_samples": "50",
    }  # fmt: skip
    assert (second["multiply_adds"], second["q"]) == ("6", "")


def test_rows_of_any_kind_and_names_with_commas(tmp_path: Path) -> None:
    rows = [Plain('cat, "big"', 3), {"name": "Ærfugl", "count": 4}]
    tables.write(tmp_path / "t.csv", rows)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["name", "count"], ['cat, "big"', "3"], ["Ærfugl", "4"]]


def test_a_class_without_samples_is_named_and_left_out() -> None:
    targets = np.array([0, 0, 2, 2, 2])
    evaluator = make_evaluator("classes", targets)
    found = each(evaluator, make_system("classes", targets, 9.0, seed=1))
    assert {(row.name, row.metric) for row in found} >= {("ant", "recall"), ("cat", "recall")}
    assert ("bee", "recall") not in {(row.name, row.metric) for row in found}
    said = absences("classes", NAMES, {"validation": np.array([0, 1, 2]), "test": targets})
    assert said == ["test has no sample of bee, so it says nothing about it"]


def test_labels_and_values_may_lack_less() -> None:
    targets = np.array([[1, 0, 0], [1, 0, 0]], bool)
    said = absences("labels", NAMES, {"test": targets})
    assert said == ["test has no sample of bee, cat, so it says nothing about them"]
    assert absences("values", NAMES, {"test": make_targets("values", 3)}) == []


def test_each_value_is_measured_alone() -> None:
    targets = make_targets("values", 100)
    outputs = make_system("values", targets, 2.0, seed=1)
    found = {
        (row.name, row.metric): row for row in each(make_evaluator("values", targets), outputs)
    }
    for place, name in enumerate(NAMES):
        errors = outputs.predictions[:, place] - targets[:, place]
        assert np.isclose(found[name, "rmse"].value, np.sqrt((errors**2).mean()))


def test_histories_are_read_by_member_and_fold(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for place in ("a/fold_0", "a/fold_1", "b/fold_0"):
        path = layout.member(place) / "history.csv"
        path.parent.mkdir(parents=True)
        path.write_text("epoch,train/loss,val/log_loss\n1,9,0.5\n2,8,\n")
    folders = {name: layout.member(name) for name in ("a", "b")}
    assert histories(folders, "val/log_loss") == [
        Epoch("a fold 0", 1, 0.5), Epoch("a fold 1", 1, 0.5), Epoch("b", 1, 0.5),
    ]  # fmt: skip
