"""The packaged model: loads away from the repository, and says what the ensemble said."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.core.artifacts import Pool, Predictions
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.ensembling.decisions import Decision
from pipeline.images.packed import Packed
from pipeline.serving.ensemble import Ensemble
from pipeline.serving.table import tabulate
from pipeline.tasks.multiclass import predictions as log_probs
from tests.conftest import Workspace

pytestmark = pytest.mark.slow

LOAD = """
import json, sys
import mlflow, numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
table = model.predict(np.load(sys.argv[2]))
print(json.dumps({"columns": list(table.columns), "class": list(table["class"]),
                  "probs": table.drop(columns=["class", "prediction_set"]).to_numpy().tolist()}))
"""


def expected(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of the chosen ensemble on test, from the artifacts."""
    combiner = Combiner.load(layout.system(read_json(layout.ensemble / "choice.json")["chosen"]))
    paths = {name: layout.predictions(name, "test") for name in combiner.members}
    pool = Pool.gather({name: Predictions.load(path) for name, path in paths.items()})
    return combiner(dict(zip(pool.members, log_probs(pool.logits), strict=True))), pool.targets


@pytest.fixture(scope="module")
def ensemble(reproduced: Workspace) -> Ensemble:
    return Ensemble.load(Layout(reproduced.folder).model / "artifacts/ensemble")


@pytest.fixture(scope="module")
def images(reproduced: Workspace) -> np.ndarray:
    return np.array(Packed.open(Layout(reproduced.folder).processed / "test").images)


def test_it_loads_outside_the_repository_and_predicts_the_same(
    reproduced: Workspace, images: np.ndarray, tmp_path: Path
) -> None:
    layout = Layout(reproduced.folder)
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, "-c", LOAD, str(layout.model), "images.npy"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    log_p, _ = expected(layout)
    assert answer["columns"] == ["class", "prediction_set", *map(str, range(10))]
    assert answer["class"] == [str(i) for i in log_p.argmax(1)]
    np.testing.assert_allclose(answer["probs"], np.exp(log_p), atol=1e-5)


def test_every_way_to_hand_over_an_image_agrees(
    ensemble: Ensemble, images: np.ndarray, tmp_path: Path
) -> None:
    grey = images[0, ..., 0]
    encoded = cv2.imencode(".png", grey)[1].tobytes()
    (tmp_path / "digit.png").write_bytes(encoded)
    ways = [
        grey, images[0], np.repeat(images[0], 3, 2), grey.astype(np.int64), encoded,
        base64.b64encode(encoded).decode(), str(tmp_path / "digit.png"), tmp_path / "digit.png",
    ]  # fmt: skip
    made = ensemble.predictions(ways)
    np.testing.assert_allclose(made, np.repeat(made[:1], len(ways), 0), atol=1e-5)
    assert ensemble.names == tuple(map(str, range(10)))


def test_an_image_of_another_size_is_resized(ensemble: Ensemble, images: np.ndarray) -> None:
    large = images[:20].repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(
        ensemble.predictions(list(large)), ensemble.predictions(list(images[:20]))
    )


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"<html>", "image 1: not an image: starts with b'<html>'"),
        (b"", "image 1: empty: 0 bytes"),
        ("nowhere.png", "image 1: no such file"),
        (np.full((8, 8), 0.5), "image 1: float64 pixels; allowed whole numbers 0..255"),
        (np.zeros((8, 8, 2), np.uint8), r"image 1: shape \(8, 8, 2\)"),
        (np.full((8, 8), 300), "image 1: int64 pixels"),
    ],
)
def test_what_is_no_image_is_named(ensemble: Ensemble, image, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ensemble.predictions([np.zeros((8, 8), np.uint8), image])


def test_the_model_holds_no_chance_and_no_path(reproduced: Workspace) -> None:
    text = (Layout(reproduced.folder).model / "MLmodel").read_text()
    assert str(reproduced.folder) not in text
    assert "1970-01-01" in text
    assert not list(Layout(reproduced.folder).model.rglob("__pycache__"))


def test_labels_are_listed_with_their_probabilities() -> None:
    decision = Decision("thresholds", thresholds=(0.5, 0.2))
    present = np.array([[0.6, 0.1], [0.4, 0.3]])
    log_probs = np.log(np.stack([1 - present, present], axis=-1))
    table = tabulate(log_probs, "labels", ("red", "blue"), decision)
    assert list(table["labels"]) == [["red"], ["blue"]]
    np.testing.assert_allclose(table[["red", "blue"]], present)


def test_classes_come_with_those_that_are_in_question() -> None:
    log_probs = np.log(np.array([[0.9, 0.06, 0.04], [0.4, 0.35, 0.25]]))
    sets = PredictionSets("lac", 0.0, 0, False, 0.9, (0.7,))
    table = tabulate(log_probs, "classes", ("ant", "bee", "cat"), Decision("most_probable"), sets)
    assert list(table.columns) == ["class", "prediction_set", "ant", "bee", "cat"]
    assert list(table["prediction_set"]) == [["ant"], ["ant", "bee"]]


def test_values_stand_in_their_intervals() -> None:
    decision = Decision("values", half_widths=(1.0, 10.0))
    table = tabulate(np.array([[30.0, 70.0]]), "values", ("age", "mass"), decision)
    assert table.iloc[0].to_dict() == {
        "age": 30, "age_low": 29, "age_high": 31, "mass": 70, "mass_low": 60, "mass_high": 80,
    }  # fmt: skip
