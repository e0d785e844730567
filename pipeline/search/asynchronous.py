"""The search that keeps unequal workers busy: a trial is suggested whenever a place is free.

Optuna's pruners decide about a trial as soon as it ends a rung, by those that have ended it before.
So the study depends on which fit is faster, and is not the same when it is run again.
"""

import time
from collections import deque
from collections.abc import Iterator

from pipeline.search.bench import Bench
from pipeline.search.pruning import build
from pipeline.search.rungs import rungs
from pipeline.search.study import Study
from pipeline.search.trial import Fit

OVER = "the time of budget.hours was used up"
POLL_S = 1.0


def run_asynchronously(study: Study) -> None:
    """Run a study to the end of its budget.

    Raises:
        UserError: the first trials have all failed.
    """
    study.show()
    loop = _Loop(study)
    while loop.run() or _waits(study):
        pass
    study.show()


def _waits(study: Study) -> bool:
    """Wait a moment if other workers still run trials, as one of them may be lost.

    What this one has not begun for want of time is closed first, since others wait for it.
    """
    for trial in study.record.own:
        study.prune(trial.number, OVER)
    if not study.record.num_of_others:
        return False
    time.sleep(POLL_S)
    return True


class _Loop:
    """The fits that wait for a place, and those that run."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._waiting: deque[Fit] = deque()
        self._open: set[tuple[int, int]] = set()  # trials and folds that wait or run
        for trial in study.record.own:  # of a session before
            self._advance(trial.number)

    def run(self) -> bool:
        """Run fits until none waits; return whether there was one."""
        study, num_ended = self._study, 0
        for fit in study.run(self._drawn()):
            num_ended += 1
            self._open.remove((fit.number, fit.fold))
            self._advance(fit.number)
            study.refuse_if_nothing_works()
            if num_ended % study.search.batch == 0:
                study.end_round()
                study.show()
        return num_ended > 0 and not study.is_out_of_time

    def _drawn(self) -> Iterator[Fit]:
        """Yield the fits that wait, and those of new trials when none does."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            numbers = self._study.ask()
            if not numbers:
                return
            self._advance(numbers[0])

    def _advance(self, number: int) -> None:
        """Decide about a trial once its rung is complete, and let the fits wait that it needs."""
        study, trial = self._study, self._study.record.trial(number)
        if any(number == other for other, _ in self._open) or trial.state != "RUNNING":
            return
        if trial.worker != study.record.team.worker:
            print(f"trial {number}: another worker has taken it over", flush=True)
            return
        if trial.error:
            study.fail(number)
        elif study.begin(number):
            self._climb(number)

    def _climb(self, number: int) -> None:
        study, plan = self._study, rungs(self._study.search, 0)
        for place, rung in enumerate(plan):
            fits = study.fits(number, rung)
            if fits:
                self._waiting += fits
                self._open |= {(fit.number, fit.fold) for fit in fits}
                return
            if place + 1 < len(plan) and self._is_pruned(number, place):
                study.prune(number)
                return
        study.complete(number)

    def _is_pruned(self, number: int, place: int) -> bool:
        """Ask Optuna's pruner at the end of a rung, once."""
        study = self._study
        if study.record.trial(number).num_decided > place:
            return False
        study.reports(number, rungs(study.search, 0)[: place + 1])
        bench = Bench(study.spec, study.record.frozen)
        trial = bench.trials[number]
        decision = bool(build(study.search).prune(bench.study, trial))
        after = bench.trials[number].system_attrs
        study.record.mark(number, {k: after[k] for k in after.keys() - trial.system_attrs.keys()})
        study.record.note(number, num_decided=place + 1)
        return decision
