"""The points of a run that MLflow has, beside those that it is to have."""

import math
import sys
import time
from collections.abc import Iterable, Sequence

from pipeline.core.run_log import Figure
from pipeline.tracking.entities import Dated, Seen
from pipeline.tracking.times import Times


def dated(
    figures: Iterable[Figure], seen: Seen, times: Times, ended_s: float | None
) -> list[Dated]:
    """Return figures with the times under which they were pushed before, or the end of the run."""
    ended_ms = round((ended_s or time.time()) * 1000)
    known = {_key(point.figure): point for point in seen.points}
    return [
        known.get(_key(figure)) or Dated(figure, times.get(figure.step, ended_ms))
        for figure in figures
    ]


def new(points: Iterable[Dated], seen: Seen) -> list[Dated]:
    """Return those that a run lacks."""
    held = {_key(point.figure) for point in seen.points}
    return [point for point in points if _key(point.figure) not in held]


def contradicts(seen: Sequence[Dated], figures: Iterable[Figure]) -> bool:
    """Return whether a run has a point twice, or with another value."""
    wanted = {_key(figure): figure.value for figure in figures}
    held = [_key(point.figure) for point in seen]
    values = ((wanted.get(_key(f)), f.value) for f, _ in seen)
    is_other = any(own is not None and not _is_same(own, value) for own, value in values)
    return len(set(held)) < len(held) or is_other


def _key(figure: Figure) -> tuple[str, int]:
    return figure.name, figure.step


def _is_same(own: float, held: float) -> bool:
    """Compare values, of which MLflow's databases keep no infinite ones."""
    largest = math.copysign(sys.float_info.max, own) if math.isinf(own) else own
    return held in (own, largest) or (math.isnan(own) and math.isnan(held))
