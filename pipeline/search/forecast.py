"""How much longer a search will take, with an interval that says how sure that is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

CONFIDENCE = 0.9


class Forecast(NamedTuple):
    """Seconds; infinite bounds where nothing is known yet."""

    seconds: float
    low: float
    high: float

    def __str__(self) -> str:
        if not math.isfinite(self.high):
            return f"about {duration(self.seconds)}, an estimate from a single round"
        return f"about {duration(self.seconds)} [{duration(self.low)}, {duration(self.high)}]"


def forecast(
    rounds: Sequence[tuple[int, float]], fewest_epochs: int, most_epochs: int
) -> Forecast | None:
    """Predict the time of further epochs from the rounds so far; None before the first.

    The seconds per epoch of future rounds are taken to vary as those of past ones do: the interval
    is Student's prediction interval for their mean, times the fewest and the most epochs.

    Args:
        rounds: epochs and seconds of each.
        fewest_epochs: those that will be trained in any case; `most_epochs` likewise.
    """
    rounds = [(epochs, seconds) for epochs, seconds in rounds if epochs > 0]
    if not rounds:
        return None
    rates = [seconds / epochs for epochs, seconds in rounds]
    num, mean = len(rates), math.fsum(rates) / len(rates)
    middle = mean * (fewest_epochs + most_epochs) / 2
    if num == 1:
        return Forecast(middle, 0.0, math.inf)
    from scipy.stats import t  # takes half a second to import

    deviation = math.sqrt(math.fsum((rate - mean) ** 2 for rate in rates) / (num - 1))
    size = math.fsum(epochs for epochs, _ in rounds) / num
    num_future = max(1.0, most_epochs / size)
    margin = float(t.ppf((1 + CONFIDENCE) / 2, num - 1)) * deviation
    margin *= math.sqrt(1 / num + 1 / num_future)
    low, high = max(0.0, mean - margin) * fewest_epochs, (mean + margin) * most_epochs
    return Forecast(middle, low, high)


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it: 40 s, 12 min or 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
