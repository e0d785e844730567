"""A member or an ensemble as one network, from stored images to its answer."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from pipeline.core.artifacts import Scale
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.models.network import Network
from pipeline.prediction.predictor import Predictor
from pipeline.prediction.views import views
from pipeline.serving.onnx.answer import answer
from pipeline.serving.onnx.fitted_layer import FittedLayer


class System(nn.Module):
    """Predicts, combines, calibrates and decides, by operations that ONNX has.

    Networks compute in fp32, and all that follows in fp64, as in the packaged model.
    """

    def __init__(
        self,
        members: Sequence[Predictor],
        combiner: Combiner,
        task: Any,
        scale: Scale,
        sets: PredictionSets | None,
    ) -> None:
        """Take the members in the order of the combiner, and the `Params` of the task."""
        super().__init__()
        of_type, calibrator = combiner.prediction_type, combiner.calibrator
        states = combiner.calibrations[calibrator]
        self._members = nn.ModuleList(map(_Member, members))
        self._method = FittedLayer("method", combiner.method, combiner.states, of_type)
        self._calibrator = FittedLayer("calibrator", calibrator, states, of_type)
        self._decision, self._sets, self._task, self._scale = combiner.decision, sets, task, scale

    def forward(self, images: UInt8[Tensor, "n h w c"]) -> dict[str, Tensor]:
        """Return the outputs by name, see `pipeline.serving.onnx.answer`."""
        logits = torch.stack([member(images) for member in self._members])
        predictions = _predictions(logits.double(), self._task, self._scale)
        calibrated = self._calibrator(self._method(predictions))
        return answer(calibrated, self._task.KIND, self._decision, self._sets)


class _Member(nn.Module):
    """The mean logits of a member's networks and views, see `Predictor`."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self._networks: Any = nn.ModuleList(predictor.networks)
        self._test_time = predictor.test_time

    def forward(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n k"]:
        seen = views(images, self._test_time)
        together = torch.cat(seen)  # in one batch: each network is in the file once
        every = torch.stack([_logits(network, together) for network in self._networks])
        return every.reshape(len(every) * len(seen), -1, every.shape[2]).mean(dim=0)


def _logits(network: Network, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n k"]:
    """Do what the network does in fp32, but for autocast, which exporters do not follow."""
    logits: Tensor = network.body((network.pixels(images) - network.mean) / network.std)
    return logits


def _predictions(logits: Float[Tensor, "m n k"], task: Any, scale: Scale) -> Tensor:
    """Do what the task's `predictions` does; its activation says what that is."""
    if task.ACTIVATION == "identity":
        mean, std = torch.tensor(scale, dtype=torch.float64)
        values: Tensor = logits * std + mean
        return values
    if task.ACTIVATION == "softmax":
        return logits.log_softmax(dim=-1)
    both = torch.stack([torch.zeros_like(logits), logits], dim=-1).log_softmax(dim=-1)
    return both if task.KIND == "labels" else both.squeeze(dim=2)
