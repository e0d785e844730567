"""Axes: they map values to positions in 0..1 and choose the ticks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

from pipeline.report.wording import MINUS, amount


class Tick(NamedTuple):
    """A position on the axis and its label."""

    place: float
    text: str


@dataclass(frozen=True)
class Axis:
    """The quantity on an axis and its range."""

    label: str
    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False
    names: tuple[str, ...] = ()
    """The labels of 0, 1, … on a categorical axis."""

    def place(self, value: float) -> float:
        """Return the position of a value, clipped to 0 (the low end) to 1 (the high end)."""
        ends = (log10(self.low), log10(self.high)) if self.is_log else (self.low, self.high)
        at = log10(value) if self.is_log else value
        return min(1.0, max(0.0, (at - ends[0]) / (ends[1] - ends[0])))

    @property
    def ticks(self) -> list[Tick]:
        if self.names:
            return [Tick(self.place(float(i)), name) for i, name in enumerate(self.names)]
        return [Tick(self.place(v), _text(v)) for v in self._round_values()]

    def _round_values(self) -> list[float]:
        if not self.is_log:
            return [v for v in _linear(self.low, self.high) if not self.is_whole or v == int(v)]
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 7)):
            found = [m * 10.0**power for power in powers for m in steps]
            shown = [v for v in found if self.low <= v <= self.high]
            if len(shown) >= 2:
                return shown[:: ceil(len(shown) / 6)]
        return [self.low, self.high]


def counting(label: str, counts: Iterable[float]) -> Axis:
    """Build an axis of whole numbers, with ticks at whole numbers alone."""
    return replace(spanning(label, counts), is_whole=True)


def spanning(label: str, values: Iterable[float], *, is_log: bool = False) -> Axis:
    """Build an axis that spans all values, with a small margin at both ends."""
    finite = [v for v in values if isfinite(v) and (v > 0 or not is_log)] or [1.0]
    low, high = min(finite), max(finite)
    if is_log:
        room = max((high / low) ** 0.06, 1.1)
        return Axis(label, low / room, high * room, is_log=True)
    room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return Axis(label, low - room, high + room)


def naming(label: str, names: Sequence[str]) -> Axis:
    """Build a categorical axis with a position for each name."""
    return Axis(label, -0.5, len(names) - 0.5, names=tuple(names))


def _linear(low: float, high: float) -> list[float]:
    """Return three to six multiples of 1, 2, 2.5 or 5 times a power of ten."""
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first = ceil(low / step - 1e-9)
    return [i * step for i in range(first, floor(high / step + 1e-9) + 1)]


def _text(value: float) -> str:
    if abs(value) >= 10_000:
        return amount(value).replace(".00 ", " ").replace(".0 ", " ")
    return f"{value:.6g}".replace("-", MINUS)
