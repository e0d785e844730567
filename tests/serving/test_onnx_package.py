"""The stage `package` with `serving.onnx: true`, and its files as somebody else would use them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.artifacts import Card, Predictions
from pipeline.core.component import load, make
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.images.packed import Packed
from pipeline.serving.ensemble import Ensemble
from pipeline.serving.layout import INSIDE
from pipeline.serving.onnx.export import run
from tests.conftest import Workspace
from tests.test_docs import PAGES, blocks

pytest.importorskip("onnxruntime", reason="ONNX files need the extra convoy[onnx]")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(reproduced: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = reproduced.copied(tmp_path_factory.mktemp("onnx") / "work")
    made.edit(lambda tree: tree.update(serving={"onnx": True}))
    printed = made.run("dvc", "repro")
    assert "Running stage 'package'" in printed
    assert printed.count("Running stage") == 1  # and no other for it
    return made


@pytest.fixture(scope="module")
def layout(exported: Workspace) -> Layout:
    return Layout(exported.folder)


@pytest.fixture(scope="module")
def images(layout: Layout) -> np.ndarray:
    return np.array(Packed.open(layout.test).images)


def test_no_file_is_written_unless_asked_for(reproduced: Workspace) -> None:
    assert not Layout(reproduced.folder).onnx.exists()


@pytest.mark.parametrize("size", [1, 3, 17, 365])
def test_the_ensemble_answers_as_the_packaged_model(
    layout: Layout, images: np.ndarray, size: int
) -> None:
    answer = Ensemble.load(layout.model / INSIDE).table(images[:size])
    found, names = run(layout.onnx / "ensemble.onnx", images[:size]), Card.load(layout.card).classes
    probs = [list(row.values()) for row in answer["probs"]]
    np.testing.assert_allclose(found["probs"], probs, atol=1e-4)
    assert [names[i] for i in found["class"]] == answer["class"]
    sets = [[names[i] for i in np.flatnonzero(row)] for row in found["prediction_set"]]
    assert sets == answer["prediction_set"]


def test_each_member_answers_as_its_own_system(layout: Layout, images: np.ndarray) -> None:
    files = sorted((layout.onnx / "members").iterdir())
    packaged = Combiner.load(layout.model / INSIDE / "combiner.json").members
    assert [file.name for file in files] == sorted(f"{name}.onnx" for name in packaged)
    for file in files:
        own = Combiner.load(layout.system(file.stem))
        logits = Predictions.load(layout.predictions(file.stem, "test")).logits
        expected = own({file.stem: load("task", make("task", "multiclass")).predictions(logits)})
        found = run(file, images)
        np.testing.assert_allclose(found["probs"], np.exp(expected), atol=1e-4)
        np.testing.assert_array_equal(found["class"], own.decision(expected))
        assert "prediction_set" not in found  # the rule is the ensemble's


def test_another_export_is_the_same_bytes(exported: Workspace, layout: Layout) -> None:
    def contents() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in layout.onnx.rglob("*") if file.is_file()}

    before = contents()
    exported.run("dvc", "repro", "--force", "--single-item", "package")
    assert contents() == before
    assert not any(str(exported.folder).encode() in held for held in before.values())


def test_the_example_of_the_docs_runs(exported: Workspace) -> None:
    _, code = blocks(PAGES["serving.md"], "python")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=exported.folder,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "prediction_set" in done.stdout


def test_the_files_need_no_torch(layout: Layout, tmp_path: Path) -> None:
    code = (
        "import sys, numpy, onnxruntime\n"
        f"session = onnxruntime.InferenceSession({str(layout.onnx / 'ensemble.onnx')!r})\n"
        "images = numpy.zeros((5, *session.get_inputs()[0].shape[1:]), numpy.uint8)\n"
        "print(len(session.run(None, {'images': images})[0]), 'torch' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "5 False\n"
