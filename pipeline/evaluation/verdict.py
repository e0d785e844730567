"""One sentence on two systems: which is better, by how much, how surely, on how many samples."""

from dataclasses import dataclass

from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate

IN_UNITS = ("rmse", "cost")
"""Headline metrics in units of their own; all others are shares, shown in points."""


@dataclass(frozen=True)
class Contrast:
    """One system compared with another, on the same samples and draws."""

    first: str
    second: str
    differences: dict[str, Estimate]
    """The first minus the second, by metric."""
    error_reduction: Estimate | None
    """The fraction of the second's error, in the headline metric, that the first avoids; None where
    the second makes none."""
    p: float
    """The p-value of no difference in the headline metric."""
    is_same: bool
    """The two systems decide alike on every sample."""


def is_shown(found: Estimate, p: float, confidence: float) -> bool:
    """Return whether both the interval and the p-value show a difference."""
    return p < 1 - confidence and found.low * found.high > 0


def sentence(gain: Contrast, evaluator: Evaluator, first: str, second: str) -> str:
    """State which system is better by the headline metric, if a difference is shown.

    Args:
        first: what the sentence calls the first system; `second` likewise.
    """
    found = gain.differences[evaluator.headline]
    rests_on = f"{found.num_samples:,} test samples"
    if gain.is_same:
        return f"{first} and {second} make the same decisions on all {rests_on}"
    sure = f"{evaluator.confidence:.0%} interval, {shown_p(gain.p)}, {rests_on}"
    if not is_shown(found, gain.p, evaluator.confidence):
        size = _size(found, evaluator, "+")
        return f"no difference shown between {first} and {second}: {size}, {sure}"
    is_better = (found.value > 0) == evaluator.headline_metric.higher_is_better
    winner, loser = (first, second) if is_better else (second, first)
    size = _size(_positive(found), evaluator, "")
    less = _less_error(gain.error_reduction) if is_better and gain.error_reduction else ""
    return f"{winner} beats {loser} by {size}{less}, {sure}"


def shown_p(p: float) -> str:
    """Format a p-value: `p = 0.034`, `p = 0.003`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _size(found: Estimate, evaluator: Evaluator, sign: str) -> str:
    name = evaluator.headline.replace("_", " ")
    if evaluator.headline in IN_UNITS:
        value, low, high = (f"{part:{sign}.4g}" for part in found[:3])
        return f"{value} of {name} [{low}, {high}]"
    value, low, high = (f"{100 * part:{sign}.2f}" for part in found[:3])
    return f"{value} points of {name} [{low}, {high}]"


def _positive(found: Estimate) -> Estimate:
    low, high = sorted((abs(found.low), abs(found.high)))
    return Estimate(abs(found.value), low, high, found.num_samples)


def _less_error(share: Estimate) -> str:
    return f", {share.value:.0%} less error [{share.low:.0%}, {share.high:.0%}]"
