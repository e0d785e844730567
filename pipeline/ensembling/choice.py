"""Choose the ensemble to deploy, and the member that it has to beat, on validation.

The ensemble with the lowest held-out loss is often there by luck, and the one with the fewest
held-out errors more often still. So one method is preferred, and gives way to evidence alone;
`bench/choice.py` measures what this rule costs over pools of many kinds.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pipeline.ensembling.cross_fitting import Fitted
from pipeline.ensembling.truth import Truth

PREFERRED = ("weighted_geometric", "geometric", "mean")
"""The method that is preferred: the first of these that was fitted, or else the first of all."""
BASELINE = "best"
"""The method that selects one member; it is fitted always."""
LOSS_MARGIN = 3.0
"""Paired standard errors by which another method's held-out loss must be lower. By two, one of
eight others was ahead in an eighth of all pools of one recipe, with no fewer errors on test."""
HEADLINE_MARGIN = 1.0
"""Paired standard errors by which its held-out headline must be better, too."""
BEHIND_MARGIN = 2.0
"""Paired standard errors of the headline by which an ensemble that is behind the best member gives
way to it. One is often luck, as the best of many members has been lucky itself."""


@dataclass(frozen=True)
class Candidate:
    """One system, with its quality on samples that it was not fitted on."""

    fitted: Fitted
    headline: Float[np.ndarray, " g"]
    """What each unit contributes to the headline metric; higher is better."""


def ensemble(candidates: dict[str, Candidate], truth: Truth) -> str:
    """Return the name of the ensemble to deploy.

    It is the preferred one, unless others are ahead of it by LOSS_MARGIN and HEADLINE_MARGIN: then
    it is the one of these with the lowest loss. Where the result is behind the best member by more
    than BEHIND_MARGIN, the member is deployed alone.

    Args:
        candidates: the fitted ensembles by name, with the baseline.
    """
    contenders = [name for name in candidates if name != BASELINE]
    first = next((name for name in PREFERRED if name in contenders), None)
    if first is None:
        first = contenders[0] if contenders else BASELINE
    ahead = [
        name
        for name in contenders
        if name != first and _is_ahead(candidates[name], candidates[first], truth)
    ]
    chosen = min(ahead or [first], key=lambda name: candidates[name].fitted.loss)
    lead = candidates[BASELINE].headline - candidates[chosen].headline
    return BASELINE if _exceeds(lead, BEHIND_MARGIN) else chosen


def member(candidates: dict[str, Candidate]) -> str:
    """Return the member with the best held-out headline; of equal ones that of the lowest loss."""
    return max(
        candidates,
        key=lambda name: (
            round(float(candidates[name].headline.mean()), 12),
            -candidates[name].fitted.loss,
        ),
    )


def _is_ahead(other: Candidate, first: Candidate, truth: Truth) -> bool:
    gain = first.fitted.own_losses - other.fitted.own_losses
    is_lower = float(truth.mean(gain)) > LOSS_MARGIN * truth.standard_error(gain)
    return is_lower and _exceeds(other.headline - first.headline, HEADLINE_MARGIN)


def _exceeds(lead: Float[np.ndarray, " g"], margin: float) -> bool:
    """Return whether the mean over the units exceeds `margin` standard errors."""
    return bool(lead.mean() > margin * lead.std(ddof=1) / np.sqrt(len(lead)))
