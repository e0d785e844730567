"""The learning rate to start from: raise it at each step and watch the loss.

L. Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.errors import UserError

SMOOTHING = 0.9  # what the smoothed loss keeps at each step
STOP = 4.0  # times the best loss so far: it has diverged
SHOWN = 4  # points that one line of a chart stands for
BAR = 40  # characters
SKIPPED = (10, 1)  # points at either end: the first are of few losses, the last of a divergence


class Point(NamedTuple):
    lr: float
    loss: float
    """Smoothed."""


class Suggestion(NamedTuple):
    """Two rules of thumb; they should agree within a factor of ten."""

    steepest: float
    """Where the loss falls fastest on its way to the lowest."""
    tenth_of_best: float
    """A tenth of where the loss is lowest."""


def sweep(
    step: Callable[[float], float], *, low: float = 1e-7, high: float = 10.0, num_steps: int = 100
) -> list[Point]:
    """The loss at learning rates from `low` to `high`, each the same multiple of the one before.

    Ends where the loss is four times the best, or not finite.

    Args:
        step: trains on one batch at a learning rate; its loss before the update, 0 or
            above. Give it a network to throw away: the last steps ruin it.
    """
    points: list[Point] = []
    mean, best = 0.0, math.inf
    for index, lr in enumerate(np.geomspace(low, high, num_steps).tolist()):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * step(lr)
        loss = mean / (1 - SMOOTHING ** (index + 1))  # as though there had been losses before
        if not math.isfinite(loss) or loss > STOP * best:
            break
        best = min(best, loss)
        points.append(Point(lr, loss))
    return points


def suggest(points: Sequence[Point]) -> Suggestion:
    """Learning rates to try, from what `sweep` found.

    Raises:
        UserError: too few points, or a loss that never falls.
    """
    kept = points[SKIPPED[0] : len(points) - SKIPPED[1]]
    if len(kept) < 2:
        raise UserError(
            f"learning-rate finder: got {len(points)} finite losses; allowed {sum(SKIPPED) + 2} or "
            "more; start from a lower rate or take more steps"
        )
    lrs, losses = np.array(kept).T
    best = losses.argmin()
    slopes = np.gradient(losses, np.log(lrs))[: best + 1]  # beyond, it falls from a divergence
    if slopes.min() >= 0:
        raise UserError(
            f"learning-rate finder: the loss falls nowhere from {lrs[0]:.3g} to {lrs[-1]:.3g}; "
            "try other rates, and look at the network and the targets"
        )
    return Suggestion(float(lrs[slopes.argmin()]), float(lrs[best] / 10))


def chart(points: Sequence[Point], found: Suggestion) -> str:
    """The losses, one line for each fourth learning rate, and where the suggestions lie.

    The lowest loss has no bar; all from the first on have a whole one.
    """
    first, lowest = points[0].loss, min(point.loss for point in points)
    shown, lines = points[::SHOWN], []
    for lr, loss in shown:
        share = min(1.0, (loss - lowest) / (first - lowest or 1.0))
        lines.append(f"{lr:8.1e}  {loss:8.4g}  {'█' * round(BAR * share)}".rstrip())
    for name, lr in found._asdict().items():
        nearest = min(range(len(shown)), key=lambda i: abs(math.log(shown[i].lr / lr)))
        lines[nearest] += f"  ← {name} {lr:.2g}"
    return "\n".join(["      lr      loss", *lines])
