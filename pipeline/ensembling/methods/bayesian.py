"""Bayesian model averaging: members are weighed by the likelihood that they give the targets.

A baseline. It asks which one member is the true model, so with some hundred samples all weight is
on the best: T. Minka, Bayesian Model Averaging Is Not Model Combination, 2000.
"""

from typing import ClassVar

import numpy as np
import scipy
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth
from pipeline.ensembling.weights import apply, apply_values, forward, forward_values

__all__ = [
    "PER_LABEL", "Params", "apply", "apply_values", "fit", "fit_values", "forward",
    "forward_values",
]  # fmt: skip

PER_LABEL = False
LEAST_VARIANCE = 1e-12  # of errors, in variances of train: keeps a perfect member finite


class Params(Component):
    """No settings: all members are equally probable before validation is seen."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    truth: Truth,
) -> State:
    """Return weights in proportion to the likelihood of all targets."""
    num = len(truth.targets)
    true = log_probs[:, np.arange(num), truth.targets]
    return {"weights": scipy.special.softmax(num * truth.mean(true))}


def fit_values(
    params: Params,  # noqa: ARG001
    values: Float[np.ndarray, "m n t"],
    truth: Truth,
) -> State:
    """Return such weights for Gaussian errors of each member, with a variance for each value."""
    variances = np.maximum(((values - truth.targets) ** 2).mean(axis=1), LEAST_VARIANCE)
    num = len(truth.targets)
    return {"weights": scipy.special.softmax(-0.5 * num * np.log(variances).sum(axis=1))}
