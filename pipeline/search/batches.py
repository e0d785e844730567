"""The reproducible search: batch after batch, and within a batch rung after rung.

Which trials there are and which of them go on follows from the seed and the size of a batch, not
from the number of fits that run at once or from which of them is faster. A search that was killed
goes through its last batch once more, where fits that are recorded are not run again.
"""

from collections.abc import Sequence

from pipeline.search.pruning import survivors
from pipeline.search.rungs import Rung, rungs
from pipeline.search.study import Study

OVER = "the time of budget.hours was used up"


def run_in_batches(study: Study) -> None:
    """Run a study to the end of its budget.

    Raises:
        UserError: the first trials have all failed.
    """
    study.show()
    numbers = _unfinished(study) or study.ask()
    while numbers:
        _run_batch(study, numbers)
        study.show()
        study.refuse_if_nothing_works()
        numbers = study.ask()


def _unfinished(study: Study) -> list[int]:
    """Return all trials of the last batch, if one of them still runs."""
    trials = study.record.trials
    last = [trial for trial in trials if trial.batch == trials[-1].batch]
    runs = any(trial.state == "RUNNING" for trial in last)
    return [trial.number for trial in last] if runs else []


def _run_batch(study: Study, numbers: Sequence[int]) -> None:
    batch = study.record.trial(numbers[0]).batch
    plan = rungs(study.search, batch)
    there = [number for number in numbers if study.begin(number)]
    for place, rung in enumerate(plan, start=1):
        _train(study, there, rung)
        if any(study.fits(number, rung) for number in there):
            break  # out of time
        there = [number for number in there if _is_through(study, number, rung)]
        if place < len(plan):
            there = _going_on(study, there, plan[:place], numbers[0])
    else:
        for number in there:
            study.complete(number)
    for number in numbers:
        study.prune(number, OVER)


def _train(study: Study, numbers: Sequence[int], rung: Rung) -> None:
    """Run the fits of a rung, again those that crash."""
    while not study.is_out_of_time:
        needed = [fit for number in numbers for fit in study.fits(number, rung)]
        if not needed:
            return
        for _ in study.run(needed):
            pass
        study.end_round()


def _is_through(study: Study, number: int, rung: Rung) -> bool:
    """Return whether a trial has reached the end of a rung; close one that has failed before."""
    trial = study.record.trial(number)
    if trial.has_reached(rung.folds, rung.until_epoch):
        return True
    study.fail(number)
    return False


def _going_on(study: Study, there: list[int], taken: Sequence[Rung], first: int) -> list[int]:
    """Close the trials that a rung prunes, and return the others.

    Args:
        first: the number of the batch's first trial.
    """
    reports = {number: study.reports(number, taken) for number in there}
    kept = survivors(study.spec, study.record.frozen[:first], reports)
    for number in there:
        if number not in kept:
            study.prune(number)
    return [number for number in there if number in kept]
