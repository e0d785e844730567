"""One temperature for all classes: it changes how confident predictions are, but not their order.

C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2; with a prior, so
that few errors in validation change little: without one, a validation set without any error makes
all predictions certain, and the first error on test then costs more than all else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import scipy
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth

if TYPE_CHECKING:
    from torch import Tensor

PER_LABEL = False
MOST = 4.0  # |log T|: from 55 times flatter to 55 times sharper
PRIOR_STD = 0.5  # of log T around 0, that is T = 1
EXACT = {"ftol": 1e-14, "gtol": 1e-9}


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")
    ORDER: ClassVar[int] = 0


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "n k"],
    truth: Truth,
) -> State:
    """Find the most probable temperature, given the targets and the prior."""
    true = log_probs[np.arange(len(truth.targets)), truth.targets]

    def loss(log_temperature: np.ndarray) -> tuple[float, np.ndarray]:
        sharpness = np.exp(-log_temperature[0])
        scaled = scipy.special.log_softmax(log_probs * sharpness, axis=1)
        expected = np.einsum("nk,nk->n", np.exp(scaled), log_probs)
        # The log of the sum of exponentials is what normalising takes off any outcome.
        rest = (log_probs[:, 0] * sharpness - scaled[:, 0]) - true * sharpness
        value = truth.mean(rest) + log_temperature[0] ** 2 * prior / 2
        slope = sharpness * truth.mean(true - expected) + log_temperature[0] * prior
        return float(value), np.array([slope])

    prior = 1 / PRIOR_STD**2 / len(true)
    found = scipy.optimize.minimize(
        loss, [0.0], jac=True, method="L-BFGS-B", bounds=[(-MOST, MOST)], options=EXACT
    )
    return {"temperature": np.asarray(np.exp(found.x[0]))}


def apply(state: State, log_probs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Divide log-probabilities by the temperature, and normalise them again."""
    scaled: np.ndarray = scipy.special.log_softmax(log_probs / state["temperature"], axis=1)
    return scaled


def forward(state: dict[str, Tensor], log_probs: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Do what `apply` does."""
    return (log_probs / state["temperature"]).log_softmax(dim=1)
