"""One temperature for all classes: it changes how confident predictions are, but not their order.

C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
"""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State

PER_LABEL = False
MOST = 4.0  # |log T|: from 55 times flatter to 55 times sharper


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "n k"],
    targets: Int[np.ndarray, " n"],
) -> State:
    """Find the temperature with the lowest log-loss, which is convex in its inverse."""
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(log_probs * np.exp(-log_temperature), axis=1)
        return float(-scaled[rows, targets].mean())

    found = minimize_scalar(loss, bounds=(-MOST, MOST), method="bounded", options={"xatol": 1e-6})
    return {"temperature": np.asarray(np.exp(found.x))}


def apply(state: State, log_probs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Divide log-probabilities by the temperature, and normalise them again."""
    scaled: np.ndarray = log_softmax(log_probs / state["temperature"], axis=1)
    return scaled
