"""Sentences on two systems: which is better, by how much, how surely, and what could be shown."""

from dataclasses import dataclass

from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.power import POWER, Resolution

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
    resolution: Resolution


def is_shown(found: Estimate, p: float, confidence: float) -> bool:
    """Return whether both the interval and the p-value show a difference."""
    return p < 1 - confidence and found.low * found.high > 0


def is_equivalent(gain: Contrast, confidence: float) -> bool:
    """Return whether the two systems surely differ by less than the margin."""
    p = gain.resolution.p_equivalent
    return p is not None and p < 1 - confidence


def sentence(gain: Contrast, evaluator: Evaluator, first: str, second: str) -> str:
    """State which system is better by the headline metric, if a difference is shown.

    Args:
        first: what the sentence calls the first system; `second` likewise.
    """
    found, confidence = gain.differences[evaluator.headline], evaluator.confidence
    rests_on = f"{found.num_samples:,} test samples"
    if gain.is_same:
        return f"{first} and {second} make the same decisions on all {rests_on}"
    sure = f"{confidence:.0%} interval, {shown_p(gain.p)}, {rests_on}, for these trained systems"
    alike = _alike(gain, evaluator) if is_equivalent(gain, confidence) else ""
    if not is_shown(found, gain.p, confidence):
        size = sized(found, evaluator, "+")
        both = f"{first} and {second}"
        said = f"{both} are {alike}" if alike else f"no difference shown between {both}"
        return f"{said}: {size}, {sure}"
    is_better = (found.value > 0) == evaluator.headline_metric.higher_is_better
    winner, loser = (first, second) if is_better else (second, first)
    size = sized(positive(found), evaluator, "")
    less = _less_error(gain.error_reduction) if is_better and gain.error_reduction else ""
    though = f", yet they are {alike}" if alike else ""
    return f"{winner} beats {loser} by {size}{less}{though}, {sure}"


def resolved(gain: Contrast, evaluator: Evaluator) -> str:
    """State the smallest difference that the test samples can show, and what they cannot."""
    smallest, margin, _ = gain.resolution
    is_clear = is_shown(gain.differences[evaluator.headline], gain.p, evaluator.confidence)
    samples = f"{len(evaluator.ids):,} test samples"
    if smallest is None:
        return f"these {samples} can show no difference between two systems that differ as these do"
    found = _amount(smallest, evaluator)
    said = (
        f"with these {samples}, a true difference of {found} is detected in {POWER:.0%} of cases, "
        "a smaller one less often"
    )
    if margin is None or is_clear or is_equivalent(gain, evaluator.confidence):
        return said
    return f"{said}; that the two are equivalent within ±{_amount(margin, evaluator)} is not shown"


def shown_p(p: float) -> str:
    """Format a p-value: `p = 0.034`, `p = 0.003`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _alike(gain: Contrast, evaluator: Evaluator) -> str:
    return f"equivalent within ±{_amount(gain.resolution.margin or 0.0, evaluator)}"


def _amount(size: float, evaluator: Evaluator) -> str:
    name = evaluator.headline.replace("_", " ")
    if evaluator.headline in IN_UNITS:
        return f"{size:.4g} of {name}"
    return f"{100 * size:.2f} points of {name}"


def sized(found: Estimate, evaluator: Evaluator, sign: str) -> str:
    name = evaluator.headline.replace("_", " ")
    if evaluator.headline in IN_UNITS:
        value, low, high = (f"{part:{sign}.4g}" for part in found[:3])
        return f"{value} of {name} [{low}, {high}]"
    value, low, high = (f"{100 * part:{sign}.2f}" for part in found[:3])
    return f"{value} points of {name} [{low}, {high}]"


def positive(found: Estimate) -> Estimate:
    low, high = sorted((abs(found.low), abs(found.high)))
    return Estimate(abs(found.value), low, high, found.num_samples)


def _less_error(share: Estimate) -> str:
    return f", {share.value:.0%} less error [{share.low:.0%}, {share.high:.0%}]"
