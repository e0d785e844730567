"""Interval bars of a table column on a shared scale, as percentages of its width."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from pipeline.evaluation.intervals import Estimate
from pipeline.report.axis import Axis, spanning


class Bar(NamedTuple):
    """An interval and its value, in percent of the width."""

    low: float
    value: float
    high: float
    zero: float | None = None
    """The position of 0, where the scale marks it."""


@dataclass(frozen=True)
class Scale:
    """The scale that all bars of a column share."""

    axis: Axis
    marks_zero: bool = False

    def bar(self, found: Estimate) -> Bar | None:
        """Return the bar of an estimate; None where its value is NaN."""
        if not all(map(isfinite, found[:3])):
            return None
        low, value, high = map(self._percent, (found.low, found.value, found.high))
        return Bar(low, value, high, self._percent(0.0) if self.marks_zero else None)

    def _percent(self, value: float) -> float:
        return round(100 * self.axis.place(value), 2)


def scale(label: str, found: Sequence[Estimate], *, marks_zero: bool = False) -> Scale:
    """Build a scale that spans all estimates, and 0 if that is to be marked."""
    ends = [end for estimate in found for end in estimate[:3] if isfinite(end)]
    return Scale(spanning(label, [*ends, 0.0] if marks_zero else ends), marks_zero)
