"""The model card says what the comparison found."""

import csv
import json
from pathlib import Path

import pytest

from pipeline.core.artifacts import Card
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.serving.model_card import model_card
from tests.conftest import Workspace


@pytest.mark.slow
def test_it_leaves_with_the_model_and_says_what_was_found(reproduced: Workspace) -> None:
    text = (reproduced.folder / "artifacts/model/model_card.md").read_text()
    compared = json.loads((reproduced.folder / "reports/comparison.json").read_text())
    counts = json.loads((reproduced.folder / "data/processed/card.json").read_text())["counts"]
    accuracy = compared["systems"][compared["chosen"]]["accuracy"]
    assert text.startswith(f"# Model card: {compared['chosen']}\n")
    assert f"| accuracy | {accuracy['value']:.4f} [{accuracy['low']:.4f}, " in text
    assert f"{compared['verdict'][1:]}." in text
    row = " | ".join(f"{counts[split]['3']:,}" for split in ("train", "val", "test"))
    assert f"| 3 | {row} |" in text
    with (reproduced.folder / "reports/tables/slices.csv").open() as file:
        weak = [row for row in csv.DictReader(file) if row["is_weak"] == "True"]
    weaker = text.split("## Where it is weaker")[1].split("## Data")[0]
    assert weaker.count(" images\n") >= len(weak)
    for row in weak:
        assert f"- {row['column']} {row['part']}: {float(row['figure']):.4f} [" in weaker


@pytest.mark.parametrize(
    ("kind", "names", "said"),
    [
        ("labels", ("cat", "dog"), "which of 2 labels apply to an image: cat, dog."),
        ("values", ("width",), "It predicts these values from an image: width."),
        ("classes", tuple(f"c{i}" for i in range(1000)), "one of 1000 classes an image shows: c0"),
    ],
)
def test_every_task_has_one(tmp_path: Path, kind: str, names: tuple[str, ...], said: str) -> None:
    inputs = Layout(tmp_path)
    counts = {"train": dict.fromkeys(names, 3), "test": dict.fromkeys(names[:1], 2)}
    Card(names, (8, 9, 3), "pad", 1, counts, (0.5,) * 3, (0.2,) * 3, "ab12").save(inputs.card)
    figure = {"value": 0.5, "low": None, "high": None, "num_samples": 2}
    write_json(
        inputs.comparison,
        {
            "chosen": "mean",
            "best_member": "a",
            "kind": kind,
            "headline": "some_metric",
            "confidence": 0.9,
            "num_samples": 2,
            "verdict": "no difference shown",
            "resolved": "these 2 can show none",
            "systems": {name: {"some_metric": figure} for name in ("a", "mean")},
            "labels": [],
            "notes": ["a note"],
        },
    )
    text = model_card(inputs, "mean", ("a", "b"))
    assert said in text
    assert "It combines 2 networks (a, b)." in text
    assert "8 by 9 pixels in colour (padded where" in text
    assert "| some metric | 0.5000 |" in text
    assert "- A note." in text
    assert len(text.splitlines()) < 100  # also with a thousand classes
    # An image may have several labels, so these sum to no number of images.
    assert ("| all | " in text) == (kind == "classes")
    assert ("probability" in text) == (kind != "values")
    assert "It is one network, a." in model_card(inputs, "mean", ("a",))


def test_that_of_a_student_says_what_it_lost(tmp_path: Path) -> None:
    inputs = Layout(tmp_path)
    Card(("x", "y"), (8, 9, 3), "pad", 2, {}, (0.5,) * 3, (0.2,) * 3, "ab12").save(inputs.card)
    values = {"mean": 0.75, "a": 0.5, "small": 0.625}
    figures = {
        name: {"accuracy": {"value": value, "low": None, "high": None, "num_samples": 2}}
        for name, value in values.items()
    }
    found = {"chosen": "mean", "best_member": "a", "kind": "classes", "headline": "accuracy"}
    found |= {"confidence": 0.9, "num_samples": 2, "systems": figures, "labels": [], "notes": []}
    found |= {"verdict": "the ensemble mean beats a", "resolved": "these 2 can show none"}
    write_json(inputs.comparison, found)
    inputs.tables.mkdir(parents=True)
    rows = ("student,other,said", "small,mean,small loses", "small,a,small wins", "b,a,no", "")
    (inputs.tables / "students.csv").write_text("\n".join(rows))
    rows = (
        "system,column,part,figure,figure_low,figure_high,num_samples,is_weak",
        "small,true class,x,0.5,0.25,0.75,40,True",
        "other,true class,y,0.5,0.25,0.75,41,True",
    )
    (inputs.tables / "student_slices.csv").write_text("\n".join(rows))
    rows = (
        "system,is_used,name,coverage,coverage_low,coverage_high,mean_size,single,single_low,"
        "single_high",
        "small,True,(all),0.91,0.85,0.96,1.254,0.7,,",
        "small,True,x,0.5,0.4,0.6,1.5,0.5,0.4,0.6",
    )
    (inputs.tables / "student_prediction_sets.csv").write_text("\n".join(rows))
    text = model_card(inputs, "small", ("small",))
    assert text.startswith("# Model card: small\n")
    assert "**Small loses. Small wins.**" in text
    assert "It is one network, small. It has learned from the ensemble mean." in text
    assert "| accuracy | 0.6250 |" in text
    marked = ("small (this model)", "mean (chosen)", "a (best member)")
    places = [text.index(f"| {system} |") for system in marked]
    assert places == sorted(places)
    assert "hese 2 can show none" not in text  # as it is about the ensemble and the member
    assert "- true class x: 0.5000 [0.2500, 0.7500] on 40 images" in text
    assert "true class y" not in text
    assert "true class of 91.0% [85.0%, 96.0%] of the test images, and hold 1.25 classes" in text
    assert "; 70.0% hold a single one.\n" in text
