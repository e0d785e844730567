"""Write systems as ONNX files, and compare what ONNX Runtime makes of them with the model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.config.networks import networks_of, sets_of, system_of
from pipeline.config.params import Params
from pipeline.core.artifacts import Card
from pipeline.core.component import load
from pipeline.core.errors import UserError
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.prediction.predictor import Predictor
from pipeline.serving.onnx.system import System

TOLERANCE = 1e-4
"""The largest difference of a probability, or of a value in standard deviations of train."""
NUM_COMPARED = 3


def export(inputs: Layout, combiner: Combiner, params: Params, target: Path) -> None:
    """Write `ensemble.onnx`, and `members/NAME.onnx` for each member that contributes to it.

    Raises:
        UserError: a network cannot be exported, or gives other results in ONNX Runtime.
    """
    combiner, card = combiner.without_idle(), Card.load(inputs.card)
    rule = sets_of(inputs, params.serving.model, params)
    sets = PredictionSets.load(rule) if rule.is_file() else None
    members = {
        name: Predictor.load(
            networks_of(inputs, name, params), torch.device("cpu"), params.prediction.of(name)
        )
        for name in combiner.members
    }
    writer = OnnxWriter(members, params.task, card)
    writer.write(combiner, sets, target / "ensemble.onnx")
    for name in members:
        own = Combiner.load(system_of(inputs, name, params))
        writer.write(own, None, target / "members" / f"{name}.onnx")


class OnnxWriter:
    """Writes systems of the same members."""

    def __init__(self, members: dict[str, Predictor], task: Any, card: Card) -> None:
        self._members, self._task, self._card = members, task, card

    def write(self, combiner: Combiner, sets: PredictionSets | None, path: Path) -> None:
        """Write one system, member or ensemble."""
        members = [self._members[name] for name in combiner.members]
        scale = self._card.target_scale
        system = System(members, combiner, self._task, scale, sets).eval()
        path.parent.mkdir(parents=True, exist_ok=True)
        images = torch.zeros((2, *self._card.image_shape), dtype=torch.uint8)
        try:
            save(system, images, self._card.classes, path)
            away = self._away(combiner, path)
        except Exception as error:  # exporters and runtimes raise nearly anything
            raise UserError(
                f"serving.onnx: got true, but {path.stem} has no form in ONNX, "
                f"{_first_cause(error)}; set it to false"
            ) from error
        if not away <= TOLERANCE:
            raise UserError(
                f"serving.onnx: got true, but ONNX Runtime's predictions with {path.stem} differ "
                f"by {away:.2g}; allowed {TOLERANCE:g}; set it to false"
            )

    def _away(self, combiner: Combiner, path: Path) -> float:
        """Return how far ONNX Runtime's predictions are from the model's, at most."""
        shape, scale = (NUM_COMPARED, *self._card.image_shape), self._card.target_scale
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        logits = {name: self._members[name].logits(images) for name in combiner.members}
        task = load("task", self._task)
        expected = combiner({m: task.predictions(z, *scale) for m, z in logits.items()})
        found = run(path, images)
        if self._task.KIND == "values":
            away = (found["values"] - expected) / np.array(combiner.prediction_type.scale[1])
        else:
            probs = np.exp(expected if self._task.KIND == "classes" else expected[..., 1])
            away = found["probs"] - probs
        return float(np.abs(away).max())


def _first_cause(error: BaseException) -> str:
    while error.__cause__:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def save(network: nn.Module, images: Tensor, names: Sequence[str], path: Path) -> None:
    """Export for batches of any size; the same weights give the same bytes.

    Args:
        network: returns tensors by name.
        images: an example of two.
        names: of the classes, labels or values, which are stored as JSON in the metadata.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    outputs = list(network(images))
    program = torch.onnx.export(
        network,
        (images,),
        input_names=["images"],
        output_names=outputs,
        dynamic_shapes=({0: torch.export.Dim("n")},),
        verbose=False,
    )
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)  # where in which file each operation stood
    for inner in (value for node in program.model.graph for value in node.outputs):
        if inner.name in outputs and not inner.is_graph_output():
            inner.name = f"{inner.name}_inner"  # torch may have given it the same name
    program.model.producer_version = torch.__version__.partition("+")[0]  # for any device
    program.model.metadata_props["names"] = json.dumps(names)
    program.save(path)


def run(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs, by name, that ONNX Runtime computes on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))
