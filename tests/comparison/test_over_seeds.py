"""Recipes of several states, compared over their seeds on the samples they share."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.comparison.comparison import Loaded, load_state
from pipeline.comparison.markdown import seeds_page
from pipeline.comparison.over_seeds import compare_over_seeds
from pipeline.core.artifacts import Card, Predictions
from pipeline.core.errors import UserError
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.prediction_type import PredictionType
from tests.comparison.test_comparison import CLASSES, IDS, SETTINGS, TRUTH


def combiner(*members: str) -> Combiner:
    weights = [{"weights": np.full(len(members), 1 / len(members))}]
    return Combiner("mean", members, weights, "none", {"none": [{}]}, PredictionType("classes"),
                    Decision("most_probable"))  # fmt: skip


def state(
    folder: Path, skills: dict[str, float], num_seeds: int = 3, rows: np.ndarray | None = None
) -> Loaded:
    """Members of recipes of so much skill; only the first of them is in the chosen ensemble."""
    inputs, kept = Layout(folder), np.arange(300) if rows is None else rows
    rng = np.random.default_rng(len(folder.name))
    members = {f"{name}_{i}": name for name in skills for i in range(num_seeds)}
    for member, recipe in members.items():
        logits = skills[recipe] * np.eye(3)[TRUTH] + rng.normal(size=(300, 3))
        made = Predictions(IDS[kept], logits[kept].astype(np.float32), TRUTH[kept])
        made.save(inputs.predictions(member, "test"))
        combiner(member).save(inputs.system(member))
    Card(CLASSES, (8, 8, 1), "crop", 1, {}, (0.5,), (0.2,), "").save(inputs.card)
    combiner(next(iter(members))).save(inputs.system("mean"))
    write_json(inputs.ensemble / "choice.json", {"chosen": "mean"})
    inputs.test.mkdir()
    table = ["id,unit", *(f"{id_},{id_}" for id_ in IDS[kept])]
    (inputs.test / "samples.csv").write_text("\n".join(table) + "\n")
    tree = {
        "task": {"name": "multiclass"},
        "members": {name: {"recipe": recipe} for name, recipe in members.items()},
        "skills": skills,
    }
    write_json(folder / "params.yaml", tree)  # JSON is YAML
    return load_state(folder.name, folder)


def test_recipes_of_one_name_are_compared_with_those_of_the_first_state(tmp_path: Path) -> None:
    states = [
        state(tmp_path / "old", {"cnn": 0.8, "mlp": 1.0}),
        state(tmp_path / "newer", {"cnn": 3.0, "resnet": 2.0}, rows=np.arange(50, 300)),
    ]
    found = compare_over_seeds(states, SETTINGS)
    assert len(found.evaluator.ids) == 250
    (pair,) = found.pairs
    assert (pair.first, pair.second) == ("cnn of newer", "cnn of old")
    by_hand = {}
    for one in states:
        values = []
        for i in range(3):
            own = Predictions.load(one.inputs.predictions(f"cnn_{i}", "test"))
            is_shared = np.isin(own.ids, found.evaluator.ids)
            values.append((own.logits.argmax(1) == own.targets)[is_shared].mean())
        by_hand[f"cnn of {one.name}"] = values
    rows = {row.recipe: row for row in found.recipes}
    assert len(rows) == 4
    for name, values in by_hand.items():
        assert rows[name].mean.value == pytest.approx(np.mean(values))
        assert rows[name].std == pytest.approx(np.std(values, ddof=1))
    assert pair.difference.value == pytest.approx(
        np.mean(by_hand["cnn of newer"]) - np.mean(by_hand["cnn of old"])
    )
    text = seeds_page(found)
    assert "over seeds, recipe cnn of newer beats recipe cnn of old by" in text
    assert "| skills.cnn | `0.8` | `3.0` |" in text
    json.dumps(found.as_json(), allow_nan=False)


def test_one_recipe_each_may_have_any_name(tmp_path: Path) -> None:
    states = [state(tmp_path / "a", {"cnn": 1.0}), state(tmp_path / "bb", {"resnet": 1.0})]
    (pair,) = compare_over_seeds(states, SETTINGS).pairs
    assert (pair.first, pair.second) == ("resnet of bb", "cnn of a")


def test_several_states_are_corrected_for_their_number(tmp_path: Path) -> None:
    states = [state(tmp_path / name, {"cnn": 1.0}) for name in ("a", "bb", "ccc")]
    found = compare_over_seeds(states, SETTINGS)
    assert [pair.second for pair in found.pairs] == ["cnn of a"] * 2
    assert all(pair.p_corrected >= pair.p for pair in found.pairs)
    assert "corrected for all 2 comparisons (Holm)" in seeds_page(found)


@pytest.mark.parametrize(
    ("recipes", "num_seeds", "message"),
    [
        ({"cnn": 1.0}, 1, "bb has no recipe with two members or more; train another seed of one"),
        ({"x": 1.0, "y": 1.0}, 2, "a has recipes cnn, but bb has x, y; allowed states with a rec"),
    ],
)
def test_states_without_seeds_to_compare_are_refused(
    tmp_path: Path, recipes: dict[str, float], num_seeds: int, message: str
) -> None:
    states = [state(tmp_path / "a", {"cnn": 1.0}), state(tmp_path / "bb", recipes, num_seeds)]
    with pytest.raises(UserError, match=message):
        compare_over_seeds(states, SETTINGS)
