"""A scale and a shift per class or value: more freedom than a temperature, and more to fit.

C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. For a label, with
its two outcomes, it is the beta calibration of M. Kull et al., AISTATS 2017, equation 5. As for the
temperature, a prior keeps few samples from changing much.
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

PER_LABEL = True
PRIOR_STD = 0.5  # of every scale around 1, and of every shift around 0


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")
    ORDER: ClassVar[int] = 2
    MOST_FEATURES: ClassVar[int] = 200


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "n k"],
    truth: Truth,
) -> State:
    """Find the most probable scales ≥ 0 and shifts; their log posterior is concave."""
    num_classes = log_probs.shape[1]
    true, weights = np.eye(num_classes)[truth.targets], truth.weights[:, None]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        scale, shift = np.split(flat, 2)
        made = scipy.special.log_softmax(log_probs * scale + shift, axis=1)
        error, away = weights * (np.exp(made) - true), flat - start
        gradient = np.concatenate([(error * log_probs).sum(axis=0), error.sum(axis=0)])
        prior = (away**2).sum() / (2 * PRIOR_STD**2)
        return float(prior - (weights * made * true).sum()), gradient + away / PRIOR_STD**2

    start = np.concatenate([np.ones(num_classes), np.zeros(num_classes)])
    bounds = [(0, None)] * num_classes + [(None, None)] * num_classes
    scale, shift = np.split(scipy.optimize.minimize(loss, start, jac=True, bounds=bounds).x, 2)
    return {"scale": scale, "shift": shift}


def apply(state: State, log_probs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Scale and shift log-probabilities, and normalise them again."""
    made: np.ndarray = scipy.special.log_softmax(
        log_probs * state["scale"] + state["shift"], axis=1
    )
    return made


def fit_values(
    params: Params,  # noqa: ARG001
    values: Float[np.ndarray, "n t"],
    truth: Truth,
) -> State:
    """Fit the least-squares line of each value, with a slope ≥ 0."""
    centred = values - values.mean(axis=0)
    spread = (centred**2).sum(axis=0)
    covariance = (centred * truth.targets).sum(axis=0)
    scale = np.maximum(
        np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0), 0
    )
    return {"scale": scale, "shift": truth.targets.mean(axis=0) - scale * values.mean(axis=0)}


def apply_values(state: State, values: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n t"]:
    """Scale and shift values."""
    return values * state["scale"] + state["shift"]


def forward(state: dict[str, Tensor], log_probs: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Do what `apply` does."""
    return forward_values(state, log_probs).log_softmax(dim=1)


def forward_values(state: dict[str, Tensor], values: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
    """Do what `apply_values` does."""
    return values * state["scale"] + state["shift"]
