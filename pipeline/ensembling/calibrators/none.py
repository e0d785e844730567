"""Uncalibrated predictions: the baseline that every calibrator has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth

if TYPE_CHECKING:
    from torch import Tensor

PER_LABEL = False


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")
    ORDER: ClassVar[int] = 1


def fit(
    params: Params,  # noqa: ARG001
    predictions: Float[np.ndarray, "n k"],  # noqa: ARG001
    truth: Truth,  # noqa: ARG001
) -> State:
    """Return an empty state: there is nothing to fit."""
    return {}


def apply(state: State, predictions: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:  # noqa: ARG001
    """Return the predictions unchanged."""
    return predictions


def forward(
    state: dict[str, Tensor],  # noqa: ARG001
    predictions: Float[Tensor, "n k"],
) -> Float[Tensor, "n k"]:
    """Do what `apply` does."""
    return predictions


fit_values, apply_values, forward_values = fit, apply, forward
