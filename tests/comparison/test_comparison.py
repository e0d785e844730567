"""States that share some of their samples, compared on these."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.comparison.comparison import Loaded, changed, compare, load_state
from pipeline.comparison.markdown import page
from pipeline.config.load import load_params
from pipeline.core.artifacts import Card, Predictions
from pipeline.core.errors import UserError
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.prediction_type import PredictionType
from tests.conftest import ROOT

SETTINGS = load_params(ROOT / "params.yaml")
CLASSES = ("cat", "dog", "emu")
IDS = np.array([f"{i:03d}" for i in range(300)])
TRUTH = np.random.default_rng(0).integers(0, 3, 300)


def state(
    folder: Path, skill: float, rows: np.ndarray, *, classes=CLASSES, truth=TRUTH, lr: float = 0.1
) -> Loaded:
    """What one state would have left behind; samples are in an order of its own."""
    inputs = Layout(folder)
    rng = np.random.default_rng(1)
    logits = (skill * np.eye(3)[TRUTH] + rng.normal(size=(300, 3)))[rows].astype(np.float32)
    Predictions(IDS[rows], logits, truth[rows]).save(inputs.predictions("a", "test"))
    Card(classes, (8, 8, 1), "crop", 1, {}, (0.5,), (0.2,), "").save(inputs.card)
    alone = [{"weights": np.array([1.0])}]
    combiner = Combiner("mean", ("a",), alone, "none", {"none": [{}]}, PredictionType("classes"),
                        Decision("most_probable"))  # fmt: skip
    combiner.save(inputs.system("mean"))
    write_json(inputs.ensemble / "choice.json", {"chosen": "mean"})
    inputs.test.mkdir()
    table = ["id,unit", *(f"{id_},{id_}" for id_ in IDS[rows])]
    (inputs.test / "samples.csv").write_text("\n".join(table) + "\n")
    tree = {"task": {"name": "multiclass"}, "recipes": {"r": {"lr": lr}}}
    write_json(folder / "params.yaml", tree)  # JSON is YAML
    return load_state(folder.name, folder)


def test_the_shared_samples_decide_in_whatever_order(tmp_path: Path) -> None:
    shuffled = np.random.default_rng(2).permutation(np.arange(100, 300))
    states = [
        state(tmp_path / "weak", 0.5, np.arange(250)),
        state(tmp_path / "strong", 3.0, shuffled, lr=0.2),
    ]
    found = compare(states, SETTINGS)
    assert len(found.evaluator.ids) == 150
    assert found.left_out == {"weak": 100, "strong": 50}
    by_hand = []
    for one in states:
        order = {id_: row for row, id_ in enumerate(one.pool.ids)}
        rows = [order[id_] for id_ in found.evaluator.ids]
        by_hand.append((one.outputs.decided[rows] == one.pool.targets[rows]).mean())
        assert found.systems[one.name]["accuracy"].value == pytest.approx(by_hand[-1])
    difference = found.contrasts[0].differences["accuracy"]
    assert difference.value == pytest.approx(by_hand[1] - by_hand[0])
    assert found.verdicts[0].startswith("strong (mean) beats weak (mean) by")
    assert found.changed == {"recipes.r.lr": {"weak": 0.1, "strong": 0.2}}
    (tree,) = json.loads(json.dumps(found.as_json(), allow_nan=False))["contrasts"]
    assert tree["resolution"]["margin"] == 0.01
    assert tree["resolution"]["p_equivalent"] > 0.99
    assert 0 < tree["resolution"]["smallest"] < difference.value


def test_several_states_stand_against_the_first(tmp_path: Path) -> None:
    rows = np.arange(300)
    states = [state(tmp_path / n, s, rows) for n, s in (("a", 1.0), ("b", 1.05), ("c", 3.0))]
    found = compare(states, SETTINGS)
    assert [(c.first, c.second) for c in found.contrasts] == [("b", "a"), ("c", "a")]
    assert all(p >= c.p for p, c in zip(found.p_corrected, found.contrasts, strict=True))
    assert found.contrasts[1].p < 0.001
    text = page(found)
    assert "corrected for all 2 comparisons (Holm)" in text
    assert "| accuracy | " in text
    assert "Changed parameters" not in text


def test_the_same_state_is_called_the_same(tmp_path: Path) -> None:
    rows = np.arange(300)
    found = compare([state(tmp_path / n, 1.0, rows) for n in "ab"], SETTINGS)
    assert found.verdicts == [
        "b (mean) and a (mean) make the same decisions on all 300 test samples"
    ]


@pytest.mark.parametrize(
    ("rows", "change", "message"),
    [
        (np.arange(200, 300), {}, "share no test sample"),
        (
            np.arange(100),
            {"classes": ("cat", "dog", "fox")},
            "classes that differ, such as emu",
        ),
        (np.arange(100), {"classes": ("dog", "cat", "emu")}, "have classes in another order"),
        (np.arange(100), {"truth": (TRUTH + 1) % 3}, "100 samples have a different target in b"),
    ],
)
def test_states_that_cannot_be_compared_are_refused(tmp_path: Path, rows, change, message) -> None:
    first = state(tmp_path / "a", 1.0, np.arange(100))
    with pytest.raises(UserError) as refused:
        compare([first, state(tmp_path / "b", 1.0, rows, **change)], SETTINGS)
    assert message in str(refused.value)


def test_what_was_changed_is_found_at_any_depth() -> None:
    trees = {
        "a": {"x": {"y": 1, "z": [1, 2]}, "v": {}},
        "b": {"x": {"y": 1.0, "z": [1, 3]}, "w": 0},
    }
    assert changed(trees) == {
        "w": {"a": None, "b": 0},
        "x.y": {"a": 1, "b": 1.0},
        "x.z": {"a": [1, 2], "b": [1, 3]},
    }
