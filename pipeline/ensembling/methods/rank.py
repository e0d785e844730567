"""Rank vote: members vote by order, whatever the scale of their probabilities.

For three or more outcomes it is Borda's count: each member gives an outcome one point for every
outcome that it finds less probable. For two outcomes that would be the majority vote, so members
rank the samples instead. For values, it is the mean of the middle half of the members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import scipy
from jaxtyping import Float

from pipeline.core.component import Component
from pipeline.ensembling import points
from pipeline.ensembling.prediction_type import State
from pipeline.ensembling.truth import Truth

if TYPE_CHECKING:
    from torch import Tensor

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
    """Return shares of points, see `points`; or, for two outcomes, the mean rank on the mean scale.

    The latter is quantile normalisation: B. Bolstad et al., A Comparison of Normalization Methods,
    2003.
    """
    if not state:
        total = sum(scipy.stats.rankdata(member, axis=1) - 1 for member in log_probs)
        return points.shares(np.asarray(total), log_probs)
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
    return np.tensordot(_shares_of_half(len(values)), np.sort(values, axis=0), axes=1)


def forward(state: dict[str, Tensor], log_probs: Float[Tensor, "m n k"]) -> Float[Tensor, "n k"]:
    """Do what `apply` does."""
    import torch

    if not state:
        total = torch.stack([_points(member) for member in log_probs]).sum(dim=0)
        return points.forward(total, log_probs)
    scales, ranks = state["log_odds"], torch.from_numpy(RANKS)
    own = zip(log_probs[..., 1] - log_probs[..., 0], scales, strict=True)
    rank = torch.stack([_interpolated(odds, scale, ranks) for odds, scale in own]).mean(dim=0)
    odds = _interpolated(rank, ranks, scales.mean(dim=0))
    return torch.stack([torch.zeros_like(odds), odds], dim=1).log_softmax(dim=1)


def forward_values(
    state: dict[str, Tensor],  # noqa: ARG001
    values: Float[Tensor, "m n t"],
) -> Float[Tensor, "n t"]:
    """Do what `apply_values` does."""
    import torch

    shares = torch.from_numpy(_shares_of_half(len(values)))
    return (shares[:, None, None] * values.sort(dim=0).values).sum(dim=0)


def _points(log_probs: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Return a point for every outcome that is less probable, and half of one for an equal one."""
    above = (log_probs[:, :, None] - log_probs[:, None, :]).sign().sum(dim=2)
    return (above + log_probs.shape[1] - 1) / 2


def _interpolated(
    at: Float[Tensor, " n"], rising: Float[Tensor, " r"], values: Float[Tensor, " r"]
) -> Float[Tensor, " n"]:
    """Do what `np.interp` does, where several places may be equal: the last one then counts."""
    past, widths = at[:, None] - rising[:-1], rising.diff()
    steps = (past / widths).where(widths > 0, (past >= 0).double()).clamp(0, 1)
    return values[0] + (steps * values.diff()).sum(dim=1)


def _shares_of_half(num_members: int) -> Float[np.ndarray, " m"]:
    """Return how much each of the sorted members counts in the middle half of them."""
    shares: np.ndarray = 2 * np.diff(np.linspace(0, 1, num_members + 1).clip(0.25, 0.75))
    return shares


def _log_odds(log_probs: Float[np.ndarray, "m n 2"]) -> Float[np.ndarray, "m n"]:
    odds: np.ndarray = log_probs[..., 1] - log_probs[..., 0]
    return odds
