"""Fitted methods and calibrators for tensors: what `PredictionType.apply` does, in torch."""

from importlib import import_module

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.core.component import FAMILIES
from pipeline.ensembling.prediction_type import PredictionType, State


class FittedLayer(nn.Module):
    """A method, which combines the predictions of m members, or a calibrator."""

    def __init__(
        self, family: str, name: str, states: list[State], prediction_type: PredictionType
    ) -> None:
        super().__init__()
        module = import_module(f"{FAMILIES[family]}.{name}")
        self._kind, self._is_per_label = prediction_type.kind, module.PER_LABEL
        self._forward = module.forward_values if self._kind == "values" else module.forward
        self._states = [{k: torch.from_numpy(v) for k, v in state.items()} for state in states]
        self._scale = torch.tensor(prediction_type.scale, dtype=torch.float64)

    def forward(self, predictions: Float[Tensor, "*m_n k"]) -> Float[Tensor, "*n k"]:
        """Return predictions in the form in which they came, see `PredictionType`."""
        if self._kind == "values":
            mean, std = self._scale
            made: Tensor = self._forward(self._states[0], (predictions - mean) / std) * std + mean
            return made
        if self._kind == "classes":
            combined: Tensor = self._forward(self._states[0], predictions)
            return combined
        if self._is_per_label:
            each = zip(self._states, predictions.unbind(dim=-2), strict=True)
            return torch.stack([self._forward(*pair) for pair in each], dim=-2)
        pairs: Tensor = self._forward(self._states[0], predictions.flatten(-3, -2))
        return pairs.reshape(-1, *predictions.shape[-2:])
