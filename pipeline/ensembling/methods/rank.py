"""Rank vote: members vote by order, whatever the scale of their probabilities.

For three or more outcomes it is Borda's count: each member gives an outcome one point for every
outcome that it finds less probable. For two outcomes that would be the majority vote, so members
rank the samples instead. For values, it is the mean of the middle half of the members.
"""

from typing import ClassVar

import numpy as np
import scipy
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling.points import shares
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth

PER_LABEL = False
RANKS = np.linspace(0, 1, 201)


class Params(Component):
    """No settings."""

    ACTIVATIONS: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid", "identity")


def fit(
    params: Params,  # noqa: ARG001
    log_probs: Float[np.ndarray, "m n k"],
    truth: Truth,  # noqa: ARG001
) -> State:
    """For two outcomes, return each member's log-odds at RANKS of validation; else nothing."""
    if log_probs.shape[2] > 2:
        return {}
    return {"log_odds": np.quantile(_log_odds(log_probs), RANKS, axis=1).T}


def apply(state: State, log_probs: Float[np.ndarray, "m n k"]) -> Float[np.ndarray, "n k"]:
    """Return shares of points, see `shares`; or, for two outcomes, the mean rank on the mean scale.

    The latter is quantile normalisation: B. Bolstad et al., A Comparison of Normalization Methods,
    2003.
    """
    if not state:
        points = sum(scipy.stats.rankdata(member, axis=1) - 1 for member in log_probs)
        return shares(np.asarray(points), log_probs)
    own = zip(_log_odds(log_probs), state["log_odds"], strict=True)
    rank = np.mean([np.interp(odds, scale, RANKS) for odds, scale in own], axis=0)
    odds = np.interp(rank, RANKS, state["log_odds"].mean(axis=0))
    log_p: np.ndarray = -np.logaddexp(0, np.stack([odds, -odds], axis=1))
    return log_p


def fit_values(
    params: Params,  # noqa: ARG001
    values: Float[np.ndarray, "m n t"],  # noqa: ARG001
    truth: Truth,  # noqa: ARG001
) -> State:
    """Return an empty state: there is nothing to fit."""
    return {}


def apply_values(state: State, values: Float[np.ndarray, "m n t"]) -> Float[np.ndarray, "n t"]:  # noqa: ARG001
    """Return the midmean: J. Tukey, Exploratory Data Analysis, 1977.

    Members at the edge of the middle half count in part.
    """
    shares_of_half = 2 * np.diff(np.linspace(0, 1, len(values) + 1).clip(0.25, 0.75))
    return np.tensordot(shares_of_half, np.sort(values, axis=0), axes=1)


def _log_odds(log_probs: Float[np.ndarray, "m n 2"]) -> Float[np.ndarray, "m n"]:
    odds: np.ndarray = log_probs[..., 1] - log_probs[..., 0]
    return odds
