"""What a search may still spend."""

from collections.abc import Sequence

from pipeline.config.search import Search
from pipeline.search.rungs import batch_size, least_epochs, most_epochs
from pipeline.search.trial import Trial


def next_batch(trials: Sequence[Trial]) -> int:
    """Return the number of the next batch."""
    return trials[-1].batch + 1 if trials else 0


def next_size(search: Search, trials: Sequence[Trial], num_left: int | None, batch: int) -> int:
    """Return how many trials the next batch may have; 0 ends the search.

    Args:
        num_left: the trials that a grid still has.
        batch: the number of the next batch.
    """
    size = batch_size(search, batch)
    if search.budget.trials is not None:
        size = min(size, search.budget.trials - len(trials))
    if num_left is not None:
        size = min(size, num_left)
    if search.budget.epochs is not None:
        left = search.budget.epochs - spent_epochs(search, trials)
        while size > 0 and most_epochs(search, batch, size) > left:
            size -= 1
    return max(0, size)


def spent_epochs(search: Search, trials: Sequence[Trial]) -> int:
    """Return the epochs that are trained; a trial that runs counts as if it ran to the end."""
    most = search.epochs * search.folds
    return sum(most if trial.state == "RUNNING" else trial.num_epochs for trial in trials)


def epochs_to_go(
    search: Search, trials: Sequence[Trial], num_left: int | None, batch: int
) -> tuple[int, int] | None:
    """Return the fewest and the most epochs that are left; None if only time ends the search.

    Args:
        num_left: the trials that a grid still has.
        batch: the number of the next batch.
    """
    further = _further_epochs(search, trials, num_left, batch)
    if further is None:
        return None
    most = search.epochs * search.folds
    running = sum(max(0, most - t.num_epochs) for t in trials if t.state == "RUNNING")
    return further[0] + (0 if search.pruner else running), further[1] + running


def _further_epochs(
    search: Search, trials: Sequence[Trial], num_left: int | None, batch: int
) -> tuple[int, int] | None:
    """Return those of further batches."""
    asked, epochs = search.budget.trials, search.budget.epochs
    wanted = [left for left in (asked and asked - len(trials), num_left) if left is not None]
    left = None if epochs is None else max(0, epochs - spent_epochs(search, trials))
    if not wanted:
        return None if left is None else (left, left)
    fewest, most, num_trials = 0, 0, min(wanted)
    while num_trials > 0:
        size = min(num_trials, batch_size(search, batch))
        fewest += least_epochs(search, batch, size)
        most += most_epochs(search, batch, size)
        num_trials, batch = num_trials - size, batch + 1
    return (fewest, most) if left is None else (min(fewest, left), min(most, left))
