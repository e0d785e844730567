"""The rungs of a batch: where its fits stop, and how many trials go on.

A rung ends when all trials of the batch have reached it, so what goes on follows from complete
information and not from which fit was faster.
"""

from fractions import Fraction
from math import ceil
from typing import NamedTuple

from pipeline.config.search import Halving, Hyperband, Search, Wilcoxon


class Rung(NamedTuple):
    """What each trial that takes part trains before the next decision."""

    folds: tuple[int, ...]
    until_epoch: int


def rungs(search: Search, batch: int) -> list[Rung]:
    """Return the rungs of a batch, counted from 0."""
    folds, pruner = tuple(range(search.folds)), search.pruner
    if pruner is None:
        return [Rung(folds, search.epochs)]
    if isinstance(pruner, Wilcoxon):
        return [Rung((fold,), search.epochs) for fold in folds]
    ends = _ends(search)
    first = batch % len(ends) if isinstance(pruner, Hyperband) else 0
    return [Rung(folds, end) for end in ends[first:]]


def batch_size(search: Search, batch: int) -> int:
    """Return the number of trials of a batch; the brackets of Hyperband differ in it.

    A bracket with s rungs before its last gets factor^s / (s + 1) trials, in proportion, so that
    all train about as many epochs (algorithm 1 of the paper).
    """
    if not isinstance(search.pruner, Hyperband):
        return search.batch
    most, num = len(_ends(search)) - 1, len(rungs(search, batch)) - 1
    share = Fraction(most + 1, (num + 1) * search.pruner.factor ** (most - num))
    return max(1, ceil(search.batch * share))


def num_kept(search: Search, num_trials: int) -> int | None:
    """Return how many of the trials of a rung go on; None where that depends on their values."""
    if isinstance(search.pruner, Halving | Hyperband):
        return max(1, num_trials // search.pruner.factor)
    return None


def most_epochs(search: Search, batch: int, num_trials: int) -> int:
    """Return the epochs that a batch of so many trials may train."""
    total, reached = 0, dict.fromkeys(range(search.folds), 0)
    for rung in rungs(search, batch):
        for fold in rung.folds:
            total += num_trials * (rung.until_epoch - reached[fold])
            reached[fold] = rung.until_epoch
        kept = num_kept(search, num_trials)
        num_trials = num_trials if kept is None else kept
    return total


def least_epochs(search: Search, batch: int, num_trials: int) -> int:
    """Return the epochs that it trains at least, where no fit stops early."""
    if num_kept(search, num_trials) is not None or search.pruner is None:
        return most_epochs(search, batch, num_trials)
    first = rungs(search, batch)[0]
    return num_trials * first.until_epoch * len(first.folds)


def _ends(search: Search) -> list[int]:
    """Return the epochs at which the rungs end."""
    assert search.pruner is not None
    assert not isinstance(search.pruner, Wilcoxon)
    ends, end = [], search.pruner.min_epochs
    while end < search.epochs:
        ends.append(end)
        end *= search.pruner.factor
    return [*ends, search.epochs]
