"""ONNX files of systems: ONNX Runtime answers as the packaged model does, whatever the system."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.core.component import load, make, names
from pipeline.core.errors import UserError
from pipeline.core.kind import Kind
from pipeline.ensembling.conformal import ABOVE_ALL, PredictionSets
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.truth import Truth
from pipeline.prediction.predictor import Predictor
from pipeline.serving.onnx import export
from pipeline.serving.onnx.export import OnnxWriter, run, save
from pipeline.serving.onnx.fitted_layer import FittedLayer
from tests.ensembling.pools import cases, pool, prediction_type
from tests.serving import onnx_systems as given

pytest.importorskip("onnxruntime", reason="ONNX files need the extra convoy[onnx]")

SIZES = (1, 3, 17)
TASKS = names("task")
LIBRARIES = {  # small ones: a transformer, and a network whose classifier is a convolution
    "timm": {"architecture": "test_vit"},
    "torchvision": {"architecture": "squeezenet1_1"},
}
WIDTHS = {
    "airbench": {"widths": (8, 8, 8)},
    "cnn": {"widths": (4, 8)},
    "resnet": {"widths": (4, 8)},
}


def written(task: str, folder: Path) -> tuple[Path, dict[str, Predictor]]:
    """Write an ensemble of two members."""
    members = given.members(task)
    path = folder / "ensemble.onnx"
    OnnxWriter(members, make("task", task), given.card(task)).write(
        given.combiner(task), None, path
    )
    return path, members


@pytest.mark.parametrize("task", TASKS)
def test_it_predicts_and_decides_for_batches_of_any_size(task: str, tmp_path: Path) -> None:
    path, members = written(task, tmp_path)
    combiner = given.combiner(task)
    for size in SIZES:
        seen = given.images(size)
        found = run(path, seen)
        expected = given.expected(combiner, members, task, seen)
        if combiner.prediction_type.kind == "values":
            half = np.array(combiner.decision.half_widths)
            np.testing.assert_allclose(found["values"], expected, atol=1e-4)
            np.testing.assert_allclose(found["low"], expected - half, atol=1e-4)
            np.testing.assert_allclose(found["high"], expected + half, atol=1e-4)
            continue
        is_labels = combiner.prediction_type.kind == "labels"
        probs = np.exp(expected[..., 1] if is_labels else expected)
        np.testing.assert_allclose(found["probs"], probs, atol=1e-4)
        decided = found["labels" if is_labels else "class"]
        np.testing.assert_array_equal(decided, combiner.decision(expected))
        assert decided.dtype == (bool if is_labels else np.int64)


def test_folds_views_and_crops_are_part_of_it(tmp_path: Path) -> None:
    larger, path = (14, 11, 3), tmp_path / "a.onnx"  # than what the networks take
    members = given.members("multiclass", num_folds=3, mirror=True, shift_px=2)
    writer = OnnxWriter(members, make("task", "multiclass"), given.card("multiclass", larger))
    writer.write(given.combiner("multiclass"), None, path)
    for size in SIZES:
        seen = given.images(size, larger)
        expected = given.expected(given.combiner("multiclass"), members, "multiclass", seen)
        np.testing.assert_allclose(run(path, seen)["probs"], np.exp(expected), atol=1e-4)


ARCHITECTURES = [
    *((name, WIDTHS.get(name, LIBRARIES.get(name, {})), (32, 28, 3)) for name in names("model")),
    ("cnn", {"pooling": "average", "head": "flatten", "hidden": (8,)}, (9, 7, 1)),
    ("cnn", {"widths": (8, 8, 8), "groups": 4, "stride": 2, "activation": "tanh"}, (33, 20, 3)),
    ("cnn", {"dilation": 2, "batch_norm": False, "activation": "leaky_relu"}, (12, 12, 1)),
    ("airbench", {"widths": (8, 8, 8)}, (8, 8, 1)),
]


@pytest.mark.parametrize(("name", "settings", "shape"), ARCHITECTURES)
def test_every_architecture_predicts_the_same(
    name: str, settings: dict[str, Any], shape: tuple[int, int, int], tmp_path: Path
) -> None:
    card = given.card("multiclass", shape)
    network = given.network(make("model", name, **settings), "multiclass", own=card)
    member = Predictor([network], given.CPU)
    own = given.combiner("multiclass", ("a",))
    path = tmp_path / "a.onnx"
    OnnxWriter({"a": member}, make("task", "multiclass"), card).write(own, None, path)
    for size in SIZES:
        seen = given.images(size, shape)
        expected = np.exp(own({"a": given.log_probs(member.logits(seen))}))
        np.testing.assert_allclose(run(path, seen)["probs"], expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-3  # not the same for all images


class Applied(nn.Module):
    """FittedLayer components alone, for predictions whose first axis is that of the samples."""

    def __init__(self, fitted: dict[str, FittedLayer], sample_axis: int) -> None:
        super().__init__()
        self._fitted, self._axis = nn.ModuleDict(fitted), sample_axis

    def forward(self, predictions: Tensor) -> dict[str, Tensor]:
        moved = predictions.movedim(0, self._axis)
        return {name: fitted(moved) for name, fitted in self._fitted.items()}


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
@pytest.mark.parametrize("family", ["method", "calibrator"])
def test_methods_and_calibrators_have_the_same_form(
    family: str, kind: Kind, tmp_path: Path
) -> None:
    """In torch to rounding, in ONNX Runtime to its own; with outcomes that are equally probable."""
    axis = 1 if family == "method" else 0
    seen, unseen = (given.predictions(kind, axis, seed) for seed in (0, 1))
    targets, of_type, fitted, expected = pool(kind, 4)[1], prediction_type(kind), {}, {}
    for name in (name for name, own_kind in cases(family) if own_kind == kind):
        component = make(family, name)
        module = load(family, component)
        states = of_type.fit(module, component, seen, Truth.plain(targets))
        fitted[name] = FittedLayer(family, name, states, of_type)
        expected[name] = of_type.apply(module, states, unseen)
        found = fitted[name](torch.from_numpy(unseen)).numpy()
        np.testing.assert_allclose(found, expected[name], rtol=1e-9, atol=1e-9, err_msg=name)
    first = np.ascontiguousarray(np.moveaxis(unseen, axis, 0))
    save(Applied(fitted, axis).eval(), torch.from_numpy(first[:2]), (), tmp_path / "all.onnx")
    for size in SIZES:
        for name, made in run(tmp_path / "all.onnx", first[:size]).items():
            np.testing.assert_allclose(
                made, expected[name][:size], rtol=1e-6, atol=1e-6, err_msg=name
            )


SETS = [
    PredictionSets("lac", 0.0, 0, False, 0.9, (0.6,)),
    PredictionSets("aps", 0.0, 0, True, 0.9, (0.5,)),
    PredictionSets("aps", 0.0, 0, False, 0.9, (0.1, 0.6, ABOVE_ALL)),
    PredictionSets("raps", 0.2, 1, False, 0.9, (0.75,)),
]


@pytest.mark.parametrize("sets", SETS)
def test_prediction_sets_and_costs_are_part_of_it(sets: PredictionSets, tmp_path: Path) -> None:
    members, path, seen = given.members("multiclass"), tmp_path / "a.onnx", given.images(50)
    plain = given.combiner("multiclass")
    expected = given.expected(plain, members, "multiclass", seen)
    rareness = 1 / np.exp(expected).mean(axis=0)
    costs = tuple(map(tuple, (rareness[:, None] * (1 - np.eye(3))).tolist()))
    combiner = replace(plain, decision=Decision("costs", costs=costs))
    OnnxWriter(members, make("task", "multiclass"), given.card("multiclass")).write(
        combiner, sets, path
    )
    found = run(path, seen)
    assert list(found) == ["class", "prediction_set", "probs"]
    np.testing.assert_array_equal(found["class"], combiner.decision(expected))
    np.testing.assert_array_equal(found["prediction_set"], sets(expected))
    assert 0 < found["prediction_set"].mean() < 1
    assert len(set(found["class"].tolist())) > 1


def test_two_exports_are_the_same_bytes_with_the_names_and_no_path(tmp_path: Path) -> None:
    import onnxruntime

    (path, _), (again, _) = (written("multiclass", tmp_path / part) for part in ("a", "b"))
    contents = path.read_bytes()
    assert contents == again.read_bytes()
    assert b".py" not in contents
    assert str(tmp_path).encode() not in contents
    session = onnxruntime.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map == {"names": '["a", "b", "c"]'}
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type, taken.shape) == ("images", "tensor(uint8)", ["n", *given.SHAPE])


class Unusual(nn.Module):
    """Does what no graph can: it looks at the values of a tensor."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.mean((2, 3)) if pixels.sum().item() > 0 else pixels.amax((2, 3))


def test_a_network_that_has_no_graph_is_refused_in_one_line(tmp_path: Path) -> None:
    member = given.members("multiclass")["a"]
    member.networks[0].body = Unusual()
    writer = OnnxWriter({"a": member}, make("task", "multiclass"), given.card("multiclass"))
    with pytest.raises(
        UserError, match=r"^serving\.onnx: got true, but a has no form in ONNX"
    ) as no:
        writer.write(given.combiner("multiclass", ("a",)), None, tmp_path / "a.onnx")
    assert "\n" not in str(no.value)


def test_a_file_that_predicts_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", 1e-12)  # which no float32 keeps
    with pytest.raises(UserError, match=r"with ensemble differ by .*; allowed 1e-12; set it to"):
        written("multiclass", tmp_path)
