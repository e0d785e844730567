"""One sentence on two systems: who is better, by how much, how surely, on how many samples."""

from dataclasses import dataclass

from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.yardstick import Yardstick


@dataclass(frozen=True)
class Contrast:
    """One system against another, on the same samples and draws."""

    first: str
    second: str
    differences: dict[str, Estimate]
    """By metric: the first less the second."""
    error_reduction: Estimate | None
    """The share of the second's error, by the headline metric, that the first does not make; None
    where the second makes none."""
    p: float
    """Of no difference by the headline metric."""
    is_same: bool
    """They give equal answers everywhere."""


def is_shown(found: Estimate, p: float, confidence: float) -> bool:
    """A difference is shown where both its interval and its p say so."""
    return p < 1 - confidence and found.low * found.high > 0


def sentence(gain: Contrast, yardstick: Yardstick, first: str, second: str) -> str:
    """Who is better, by the headline metric, where a difference is shown.

    Args:
        first: how the first system is called in the sentence; `second` likewise.
    """
    found = gain.differences[yardstick.headline]
    rests_on = f"{found.num_samples:,} test samples"
    if gain.is_same:
        return f"{first} answers as {second} does on all {rests_on}"
    sure = f"{yardstick.confidence:.0%} interval, {shown_p(gain.p)}, {rests_on}"
    if not is_shown(found, gain.p, yardstick.confidence):
        size = _size(found, yardstick, "+")
        return f"no difference shown between {first} and {second}: {size}, {sure}"
    is_better = (found.value > 0) == yardstick.headline_metric.higher_is_better
    winner, loser = (first, second) if is_better else (second, first)
    size = _size(_positive(found), yardstick, "")
    less = _less_error(gain.error_reduction) if is_better and gain.error_reduction else ""
    return f"{winner} beats {loser} by {size}{less}, {sure}"


def shown_p(p: float) -> str:
    """`p = 0.034`, `p = 0.003`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _size(found: Estimate, yardstick: Yardstick, sign: str) -> str:
    name = yardstick.headline.replace("_", " ")
    if yardstick.kind == "values":
        value, low, high = (f"{part:{sign}.4g}" for part in found[:3])
        return f"{value} of {name} [{low}, {high}]"
    value, low, high = (f"{100 * part:{sign}.2f}" for part in found[:3])
    return f"{value} points of {name} [{low}, {high}]"


def _positive(found: Estimate) -> Estimate:
    low, high = sorted((abs(found.low), abs(found.high)))
    return Estimate(abs(found.value), low, high, found.num_samples)


def _less_error(share: Estimate) -> str:
    return f", {share.value:.0%} less error [{share.low:.0%}, {share.high:.0%}]"
