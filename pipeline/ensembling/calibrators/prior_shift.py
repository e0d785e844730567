"""A temperature, and a shift towards the classes' shares that `ensemble.class_shares` states.

A. Menon et al., Long-tail Learning via Logit Adjustment, 2021, equation 9, the post-hoc form: what
a network learned about how common the classes are is taken off its predictions, without training it
again. M. Saerens et al., 2002, equation 4, is the case tau = 1. Of a system whose members were
trained for such shares already, nothing is left to take off: the fit finds how much is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import scipy
from jaxtyping import Float
from pydantic import Field

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth

if TYPE_CHECKING:
    from torch import Tensor

PER_LABEL = False
MOST = 4.0  # |log T|, as for the temperature
TEMPERATURE_STD = 0.5  # of log T around 0
TAU_MEAN, TAU_STD = 0.5, 0.5  # 0 is right for members trained for these shares, 1 for others
LEAST = 1e-6  # of the largest ratio


class Params(Component):
    """How much to shift."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")
    ORDER: ClassVar[int] = 3
    NEEDS_CLASS_SHARES: ClassVar[bool] = True
    """Without the shares of another population there is nothing to shift towards."""
    tau: Annotated[float, Field(ge=0)] | None = None
    """The factor of the log of the shares' ratio; null: fitted."""


def fit(params: Params, log_probs: Float[np.ndarray, "n k"], truth: Truth) -> State:
    """Find the most probable temperature and factor, given the targets and the priors."""
    ratio, rows = _log_ratio(truth, log_probs.shape[1]), np.arange(len(log_probs))
    prior = np.array([TEMPERATURE_STD, TAU_STD]) ** -2.0 / len(rows)
    start = np.array([0.0, TAU_MEAN if params.tau is None else params.tau])
    bounds = [(-MOST, MOST), (0, None) if params.tau is None else (params.tau, params.tau)]

    def loss(found: np.ndarray) -> tuple[float, np.ndarray]:
        sharpness = np.exp(-found[0])
        made = scipy.special.log_softmax(log_probs * sharpness + found[1] * ratio, axis=1)
        error = np.exp(made)
        error[rows, truth.targets] -= 1
        away = found - start
        slopes = [
            -sharpness * truth.mean((error * log_probs).sum(axis=1)),
            truth.mean(error @ ratio),
        ]
        value = (prior * away**2).sum() / 2 - truth.mean(made[rows, truth.targets])
        return float(value), np.array(slopes) + prior * away

    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return {"temperature": np.asarray(np.exp(found[0])), "shift": found[1] * ratio}


def _log_ratio(truth: Truth, num_classes: int) -> Float[np.ndarray, " k"]:
    """Return the log of each class's share in the population over its share in the data.

    The weights of its samples are this ratio. A class without samples is left as it is, and one
    that the population lacks keeps a chance, so that all logs are finite.
    """
    of_class = np.ones(num_classes)
    of_class[truth.targets] = truth.weights
    ratio: np.ndarray = np.log(np.maximum(of_class, LEAST * of_class.max()))
    return ratio


def apply(state: State, log_probs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Divide log-probabilities by the temperature, shift them, and normalise them again."""
    made: np.ndarray = scipy.special.log_softmax(
        log_probs / state["temperature"] + state["shift"], axis=1
    )
    return made


def forward(state: dict[str, Tensor], log_probs: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Do what `apply` does."""
    return (log_probs / state["temperature"] + state["shift"]).log_softmax(dim=1)
