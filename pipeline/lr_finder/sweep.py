"""The learning-rate range test: raise the rate at each step and watch the loss.

L. Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.core.errors import UserError

SMOOTHING = 0.9  # the weight of the previous smoothed loss
STOP = 4.0  # the multiple of the lowest loss that counts as divergence
SHOWN = 4  # points for each line of a chart
BAR = 40  # characters
SKIPPED = (10, 1)  # points at either end: the first average few losses, the last diverges


class Point(NamedTuple):
    lr: float
    loss: float
    """The smoothed loss."""


class Suggestion(NamedTuple):
    """Two rules of thumb; they should agree within a factor of ten."""

    steepest: float
    """The rate at which the loss falls fastest before its minimum."""
    tenth_of_best: float
    """A tenth of the rate at which the loss is lowest."""


def sweep(
    step: Callable[[float], float], *, low: float = 1e-7, high: float = 10.0, num_steps: int = 100
) -> list[Point]:
    """Measure the loss at learning rates from `low` to `high` in geometric progression.

    The sweep ends where the loss reaches four times its minimum, or is not finite.

    Args:
        step: trains on one batch at a learning rate, and returns the loss before the update, 0 or
            above. Pass a network that may be ruined: the last steps do that.
    """
    points: list[Point] = []
    mean, best = 0.0, math.inf
    for index, lr in enumerate(np.geomspace(low, high, num_steps).tolist()):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * step(lr)
        loss = mean / (1 - SMOOTHING ** (index + 1))  # corrects for the initial value of 0
        if not math.isfinite(loss) or loss > STOP * best:
            break
        best = min(best, loss)
        points.append(Point(lr, loss))
    return points


def suggest(points: Sequence[Point]) -> Suggestion:
    """Suggest learning rates from the result of `sweep`.

    Raises:
        UserError: there are too few points, or the loss never falls.
    """
    kept = points[SKIPPED[0] : len(points) - SKIPPED[1]]
    if len(kept) < 2:
        raise UserError(
            f"learning-rate finder: got {len(points)} finite losses; allowed {sum(SKIPPED) + 2} or "
            "more; start from a lower rate or take more steps"
        )
    lrs, losses = np.array(kept).T
    best = losses.argmin()
    slopes = np.gradient(losses, np.log(lrs))[: best + 1]  # beyond, it falls after a divergence
    if slopes.min() >= 0:
        raise UserError(
            f"learning-rate finder: the loss does not fall anywhere from {lrs[0]:.3g} to "
            f"{lrs[-1]:.3g}; try other rates, and check the network and the targets"
        )
    return Suggestion(float(lrs[slopes.argmin()]), float(lrs[best] / 10))


def chart(points: Sequence[Point], found: Suggestion) -> str:
    """Draw the losses as a bar chart, every fourth learning rate, and mark the suggestions.

    The lowest loss has an empty bar; losses from the first one upwards have a full bar.
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
