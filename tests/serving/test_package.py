"""The packaged model: loads away from the repository, and says what the ensemble said."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config.hardware import Hardware
from pipeline.config.prediction import Views
from pipeline.core.artifacts import Pool, Predictions
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, read_yaml, write_json
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.ensembling.decisions import Decision
from pipeline.images.packed import Packed
from pipeline.prediction.predictor import Predictor
from pipeline.serving.ensemble import Ensemble
from pipeline.serving.layout import FORMAT, INSIDE
from pipeline.serving.table import Answers, tabulate
from pipeline.tasks.multiclass import predictions as log_probs
from tests.conftest import ROOT, Workspace
from tests.preprocessing.make_images import encode

# Notes every unpickled name and every file that is opened in the repository or the workspace.
LOAD = """
import json, sys
import mlflow, numpy as np, pandas as pd
import mlflow.pyfunc.scoring_server
import torch, safetensors.torch, PIL.Image, pydantic, scipy.special, simplejpeg, cv2
model_folder, images, *closed = sys.argv[1:]
images, seen = np.load(images), []

def watch(event, arguments):
    if event in ("pickle.find_class", "subprocess.Popen", "socket.connect", "os.system"):
        seen.append(f"{event} {arguments}")
    if event == "open" and str(arguments[0]).startswith(tuple(closed)):
        seen.append(f"{event} {arguments}")

sys.addaudithook(watch)
model = mlflow.pyfunc.load_model(model_folder)
table = model.predict(pd.DataFrame({"image": list(images)}))
example = model.predict(model.input_example)
refused = ""
try:  # what MLflow's own server does with a request, without our gate
    body = json.dumps({"dataframe_records": [{"image": "/etc/hostname"}]})
    mlflow.pyfunc.scoring_server.invocations(body, "application/json", model, None)
except mlflow.exceptions.MlflowException as error:
    refused = [error.get_http_status_code(), json.loads(error.serialize_as_json())["message"]]
columns = {name: list(table[name]) for name in table}
print(json.dumps({"columns": columns, "seen": seen, "example": list(example["error"]),
                  "refused": refused, "outputs": model.metadata.signature.outputs.input_names()}))
"""


def expected(layout: Layout) -> np.ndarray:
    """Probabilities of the chosen ensemble on test, from the artifacts."""
    combiner = Combiner.load(layout.system(read_json(layout.ensemble / "choice.json")["chosen"]))
    paths = {name: layout.predictions(name, "test") for name in combiner.members}
    pool = Pool.gather({name: Predictions.load(path) for name, path in paths.items()})
    return np.exp(combiner(dict(zip(pool.members, log_probs(pool.logits), strict=True))))


def probs_of(columns: dict[str, list[Any]]) -> np.ndarray:
    return np.array([list(row.values()) for row in columns["probs"]])


@pytest.fixture(scope="module")
def layout(reproduced: Workspace) -> Layout:
    return Layout(reproduced.folder)


@pytest.fixture(scope="module")
def images(layout: Layout) -> np.ndarray:
    return np.array(Packed.open(layout.test).images)


@pytest.mark.slow
def test_it_loads_outside_the_repository_and_predicts_the_same(
    layout: Layout, images: np.ndarray, tmp_path: Path
) -> None:
    """It reads nothing from the repository, connects to nothing, and unpickles nothing."""
    shutil.copytree(layout.model, tmp_path / "model")
    np.save(tmp_path / "images.npy", images)
    closed = [f"{ROOT}/pipeline", f"{ROOT}/stages", f"{layout.root}", "/etc/hostname"]
    command = [sys.executable, "-c", LOAD, "model", "images.npy", *closed]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    probs = expected(layout)
    columns = answer["columns"]
    assert list(columns) == answer["outputs"] == ["class", "prediction_set", "probs", "error"]
    assert columns["class"] == [str(i) for i in probs.argmax(1)]
    assert columns["error"] == [None] * len(images)
    np.testing.assert_allclose(probs_of(columns), probs, atol=1e-6)
    assert answer["example"] == [None]
    assert answer["seen"] == []
    status, message = answer["refused"]
    assert status == 400
    assert message.startswith("none of 1 rows holds an image: not an image: text that is not base6")


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 64, 365])
def test_the_size_of_a_batch_does_not_matter(layout: Layout, images: np.ndarray, size: int) -> None:
    ensemble = Ensemble.load(layout.model / INSIDE)
    parts = [ensemble.table(list(images[i : i + size])) for i in range(0, 40, size)]
    found = np.concatenate([probs_of(part) for part in parts])
    np.testing.assert_allclose(found, expected(layout)[: len(found)], atol=1e-6)


@pytest.mark.slow
def test_an_image_of_another_size_is_resized(layout: Layout, images: np.ndarray) -> None:
    ensemble = Ensemble.load(layout.model / INSIDE)
    large = images[:20].repeat(4, axis=1).repeat(4, axis=2)
    found = ensemble.table(map(encode, large))
    np.testing.assert_allclose(probs_of(found), expected(layout)[:20], atol=1e-6)


@pytest.mark.slow
def test_a_bad_image_is_the_error_of_its_row(layout: Layout, images: np.ndarray) -> None:
    ensemble = Ensemble.load(layout.model / INSIDE)
    alone = ensemble.table([images[0], images[1]])
    mixed = ensemble.table([b"<html>", images[0], None, images[1]])
    for name in ("class", "prediction_set"):
        assert mixed[name] == [None, alone[name][0], None, alone[name][1]]
    assert mixed["error"][0] == "not an image: starts with b'<html>'"
    assert [error is None for error in mixed["error"]] == [False, True, False, True]
    nothing = ensemble.table([b""])
    assert nothing == {
        "class": [None], "prediction_set": [None], "probs": [None], "error": ["empty: 0 bytes"]
    }  # fmt: skip


@pytest.mark.slow
def test_members_compute_in_the_arithmetic_of_the_stages(
    layout: Layout, images: np.ndarray, tmp_path: Path
) -> None:
    """In bf16 the logits differ in the third digit."""
    given = read_yaml(layout.root / "params.yaml")["hardware"]
    path = tmp_path / "model/prediction.json"
    shutil.copytree(layout.model / INSIDE, path.parent)
    how = read_json(path)
    assert how["hardware"] == {name: given[name] for name in ("precision", "memory_format")}
    write_json(path, how | {"hardware": {**how["hardware"], "precision": "bf16"}})
    for name, member in Ensemble.load(path.parent).members.items():
        own = Predictor.load(layout.member(name), torch.device("cpu"), Views())
        in_fp32 = own.logits(images)
        own.arrange(Hardware(precision="bf16", memory_format=given["memory_format"]))
        np.testing.assert_array_equal(member.logits(images), own.logits(images))
        assert not np.allclose(in_fp32, own.logits(images), atol=1e-4)


@pytest.mark.slow
def test_the_model_holds_no_chance_and_no_path(reproduced: Workspace) -> None:
    text = (Layout(reproduced.folder).model / "MLmodel").read_text()
    assert str(reproduced.folder) not in text
    assert "1970-01-01" in text
    assert not list(Layout(reproduced.folder).model.rglob("__pycache__"))


@pytest.mark.slow
def test_the_format_stands_for_this_layout(layout: Layout) -> None:
    """Whoever changes these keys raises `FORMAT`, so that older packages are refused."""
    folder = layout.model / INSIDE
    keys = {path.name: sorted(read_json(path)) for path in folder.glob("*.json")}
    assert FORMAT == 1
    assert keys == {
        "card.json": [
            "classes", "counts", "fingerprint", "fit", "image_shape", "mean", "num_folds", "std",
            "target_scale",
        ],
        "combiner.json": [
            "calibrations", "calibrator", "decision", "members", "method", "prediction_type",
            "states",
        ],
        "prediction.json": ["format", "hardware", "task", "test_time"],
        "sets.json": [
            "allow_empty", "coverage", "method", "num_free", "penalty", "thresholds",
        ],
    }  # fmt: skip


@pytest.mark.slow
def test_a_model_of_another_version_is_refused_in_one_line(copy: Workspace) -> None:
    settings = copy.folder / "artifacts/model" / INSIDE / "prediction.json"
    tree = read_json(settings)
    for other in ({**tree, "format": 99}, {"task": "multiclass", "test_time": {}}):
        write_json(settings, other)
        for command in (("predict", "artifacts/augmentation/preview.png"), ("serve",)):
            printed = copy.run("convoy", *command, status=1)
            assert printed.count("\n") == 1
            assert f"in format {other.get('format')}; this one reads format 1: package" in printed
            assert "`dvc repro package`" in printed
    write_json(settings, tree)
    weights = next(settings.parent.rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    printed = copy.run("convoy", "predict", "artifacts/augmentation/preview.png", status=1)
    assert printed.count("\n") == 1
    assert "cannot be read, SafetensorError" in printed


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: not found; run `dvc repro package`, or name"):
        Ensemble.load(tmp_path / "nowhere")


def test_labels_are_listed_with_their_probabilities() -> None:
    decision = Decision("thresholds", thresholds=(0.5, 0.2))
    present = np.array([[0.6, 0.1], [0.4, 0.3]])
    answers = Answers(np.log(np.stack([1 - present, present], axis=-1)), [None, "bad", None])
    table = tabulate(answers, "labels", ("red", "blue"), decision)
    assert table["labels"] == [["red"], None, ["blue"]]
    assert table["probs"][0] == pytest.approx({"red": 0.6, "blue": 0.1})
    assert table["probs"][1] is None
    assert table["error"] == [None, "bad", None]


def test_classes_come_with_those_that_are_in_question() -> None:
    answers = Answers(np.log(np.array([[0.9, 0.06, 0.04], [0.4, 0.35, 0.25]])), [None, None])
    sets = PredictionSets("lac", 0.0, 0, False, 0.9, (0.7,))
    names = ("ant", "error", "class")  # no class's name is a column
    table = tabulate(answers, "classes", names, Decision("most_probable"), sets)
    assert list(table) == ["class", "prediction_set", "probs", "error"]
    assert table["prediction_set"] == [["ant"], ["ant", "error"]]
    assert table["probs"][1] == pytest.approx({"ant": 0.4, "error": 0.35, "class": 0.25})
    assert tabulate(answers, "classes", names, Decision("most_probable"))["prediction_set"] == [
        None,
        None,
    ]


def test_values_stand_in_their_intervals() -> None:
    decision = Decision("values", half_widths=(1.0, 10.0))
    answers = Answers(np.array([[30.0, 70.0]]), [None])
    assert tabulate(answers, "values", ("age", "mass"), decision) == {
        "values": [{"age": 30, "mass": 70}], "low": [{"age": 29, "mass": 60}],
        "high": [{"age": 31, "mass": 80}], "error": [None],
    }  # fmt: skip
