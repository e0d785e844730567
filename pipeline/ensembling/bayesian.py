"""Bayesian model averaging: each member weighs as much as it is likely to have made the targets.

A baseline. It asks which one member is the true model, so with some hundred samples all weight is
on the best: T. Minka, Bayesian Model Averaging Is Not Model Combination, 2000.
"""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from pipeline.component import Component
from pipeline.ensembling._weights import apply, apply_values
from pipeline.space import State

__all__ = ["APART", "Params", "apply", "apply_values", "fit", "fit_values"]

APART = False
LEAST_VARIANCE = 1e-12  # of errors, in variances of train: a member without error is not infinite


class Params(Component):
    """No settings: all members are as probable before validation is seen."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    targets: Int[np.ndarray, " n"],
) -> State:
    """Weights in proportion to the likelihood of all targets."""
    return {"weights": softmax(log_probs[:, np.arange(len(targets)), targets].sum(axis=1))}


def fit_values(
    params: Params,  # noqa: ARG001
    values: Float[np.ndarray, "m n t"],
    targets: Float[np.ndarray, "n t"],
) -> State:
    """The same, where the errors of a member are Gaussian, with a variance for each value."""
    variances = np.maximum(((values - targets) ** 2).mean(axis=1), LEAST_VARIANCE)
    return {"weights": softmax(-0.5 * len(targets) * np.log(variances).sum(axis=1))}
