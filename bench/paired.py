"""Paired timing of two ways of doing the same work: the ratio of their times with its interval.

Each timing of one is followed by a timing of the other, so that a busy moment of the machine
affects both. The ratio is the median of the pairs' ratios, with a 95 % bootstrap interval.
"""

import time
from collections.abc import Callable

import numpy as np

NUM_DRAWS = 2000


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    begin = clock()
    work()
    return clock() - begin


def ratio(
    slow: Callable[[], object],
    fast: Callable[[], object],
    num_pairs: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float, float]:
    """Return how many times longer `slow` takes than `fast`: median, low and high end.

    Args:
        clock: `time.process_time` for work of one thread on a machine that does other work too.
    """
    fast()  # fills caches and runs late imports
    ratios = np.array([seconds(slow, clock) / seconds(fast, clock) for _ in range(num_pairs)])
    return typical(ratios)


def typical(ratios: np.ndarray) -> tuple[float, float, float]:
    """Return the median and its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(ratios, (NUM_DRAWS, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return float(np.median(ratios)), float(low), float(high)


def shown(measured: tuple[float, float, float]) -> str:
    """Format a ratio with its interval: `3.52 [3.41, 3.60]`."""
    return "{:.2f} [{:.2f}, {:.2f}]".format(*measured)
