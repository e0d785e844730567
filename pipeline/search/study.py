"""A study in progress: its trials, the fits that they need and the time that it takes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from optuna.trial import TrialState

from pipeline.config.search import COSTS, Settings
from pipeline.core.errors import UserError
from pipeline.search.bench import DIVERGED
from pipeline.search.budget import epochs_to_go, next_batch, next_size
from pipeline.search.forecast import forecast
from pipeline.search.pruning import Reports
from pipeline.search.record import StudyRecord
from pipeline.search.rungs import Rung
from pipeline.search.spec import StudySpec
from pipeline.search.suggestions import Suggestions
from pipeline.search.trial import Ended, Fit, Trial

RunFits = Callable[[Iterable[Fit]], Iterator[tuple[Fit, Ended]]]
"""Runs fits as there is room for them, and yields each as it ends."""
Costs = Callable[[Settings], Mapping[str, float]]
"""Returns the costs of a network."""
MOST_ROUNDS = 50  # that a forecast rests on
MOST_FAILURES = 5  # without a trial that works


class Study:
    """Everything that the loops over batches and over trials have in common."""

    def __init__(
        self,
        spec: StudySpec,
        record: StudyRecord,
        suggestions: Suggestions,
        run: RunFits,
        costs: Costs,
        now: Callable[[], float] = time.monotonic,
        on_end: Callable[[Trial], None] = lambda _: None,
    ) -> None:
        self.spec, self.search, self.record = spec, spec.search, record
        self._suggestions, self._run, self._costs = suggestions, run, costs
        self._on_end = on_end
        self._now, self._begin = now, now()
        self._before = record.seconds
        self._rounds = record.rounds
        self._marked = (_num_epochs(record.trials), self.seconds)  # the end of the last round
        self._works = False

    # --- budget

    @property
    def seconds(self) -> float:
        """The time of this session and all before."""
        return self._before + self._now() - self._begin

    @property
    def is_out_of_time(self) -> bool:
        """Whether no further fit may begin."""
        hours = self.search.budget.hours
        return hours is not None and self.seconds >= 3600 * hours

    def ask(self) -> list[int]:
        """Suggest the next batch, as large as the budget allows; return the numbers of its trials.

        An asynchronous search takes one trial at a time, first those whose workers were lost.
        """
        with self.record.team.alone():
            left = self.record.take()
            if left is not None:
                print(f"trial {left}: its worker was lost; it is tried again", flush=True)
                return [left]
            return [] if self.is_out_of_time else self._new()

    def _new(self) -> list[int]:
        trials, is_single = self.record.trials, self.search.asynchronous
        batch = 0 if is_single else next_batch(trials)
        num = next_size(self.search, trials, self._suggestions.num_left, batch)
        num = min(num, 1) if is_single else num
        return self._suggestions.suggest(num, batch) if num else []

    # --- fits

    def begin(self, number: int) -> bool:
        """Return whether a trial may be trained; a network that costs too much may not."""
        trial = self.record.trial(number)
        if trial.state == "PRUNED" and trial.remark:
            return False
        needed = [metric for metric in self.spec.metrics if metric in COSTS]
        if not needed:
            return True
        if not trial.costs:
            self.record.note(number, costs=dict(self._costs(trial.settings)))
            trial = self.record.trial(number)
        excesses = self._excesses(trial.costs)
        broken = [metric for metric, excess in excesses.items() if excess > 0]
        if not broken:
            return True
        self.record.bound(number, excesses)
        self.record.note(number, remark=f"{broken[0]} {trial.costs[broken[0]]:g} breaks its bound")
        self._end(number, TrialState.PRUNED)
        return False

    def run(self, fits: Iterable[Fit]) -> Iterator[Fit]:
        """Run those fits that are needed, record how they end, and yield each."""
        for fit, ended in self._run(self._needed(fits)):
            self._note(fit, ended)
            self.record.clock(self.seconds, self._rounds)
            yield fit

    def end_round(self) -> None:
        """Note how long the epochs since the last round have taken; forecasts rest on that.

        They count whichever worker has trained them, as those to go do.
        """
        spent, seconds = _num_epochs(self.record.trials), self.seconds
        epochs = spent - self._marked[0]
        if epochs > 0:
            self._rounds = [*self._rounds, (epochs, seconds - self._marked[1])][-MOST_ROUNDS:]
            self.record.clock(seconds, self._rounds)
            self._marked = (spent, seconds)

    def fits(self, number: int, rung: Rung) -> list[Fit]:
        """Return the fits that a trial still needs to reach the end of a rung."""
        trial = self.record.trial(number)
        return [
            Fit(number, trial.settings, fold, rung.until_epoch)
            for fold in rung.folds
            if trial.needs(fold, rung.until_epoch)
        ]

    def _needed(self, fits: Iterable[Fit]) -> Iterator[Fit]:
        """Yield the fits for which there is time."""
        for fit in fits:
            if self.is_out_of_time:
                return
            yield fit

    def _note(self, fit: Fit, ended: Ended) -> None:
        """Record how a fit ended."""
        trial = self.record.trial(fit.number)
        epochs = len(ended.history.get(self.spec.monitor, []))
        facts: dict[str, object] = {"histories": {**trial.histories, fit.fold: ended.history}}
        if ended.kind == "done":
            reached = fit.until_epoch if epochs >= fit.until_epoch else self.search.epochs
            facts["reached"] = {**trial.reached, fit.fold: reached}
            self.record.note(fit.number, **facts)
            return
        crashes = trial.crashes.get(fit.fold, 0) + (ended.kind == "crashed")
        is_final = ended.kind == "diverged" or crashes > self.search.retries
        facts["crashes"] = {**trial.crashes, fit.fold: crashes}
        if is_final:
            facts["errors"] = {**trial.errors, fit.fold: ended.error}
        if ended.kind == "diverged":
            facts[DIVERGED] = True
        self.record.note(fit.number, **facts)
        if is_final:  # the others of its batch may take hours
            self._on_end(replace(self.record.trial(fit.number), state="FAIL"))
        what = "the search continues" if is_final else "it is started again"
        print(f"trial {fit.number} {fit.settings}: {ended.error}; {what}", flush=True)

    # --- decisions

    def reports(self, number: int, taken: Sequence[Rung]) -> Reports:
        """Return the intermediate values of a trial, and record that of the last rung.

        Args:
            taken: the rungs that it has completed.
        """
        trial, metric, monitor = (
            self.record.trial(number),
            self.spec.objectives[0].metric,
            self.spec.monitor,
        )
        if taken[0].folds == tuple(range(self.search.folds)):
            own = {
                rung.until_epoch: trial.metrics(monitor, rung.until_epoch)[metric] for rung in taken
            }
        else:
            own = {r.folds[0]: trial.metrics(monitor, fold=r.folds[0])[metric] for r in taken}
        if trial.state == "RUNNING":
            step = max(own)
            self.record.report(number, step, own[step])
        return own

    def prune(self, number: int, remark: str = "") -> None:
        """Close a trial that does not go on."""
        if remark and self.record.trial(number).state == "RUNNING":
            self.record.note(number, remark=remark)
        self._end(number, TrialState.PRUNED)

    def fail(self, number: int) -> None:
        """Close a trial whose fit has failed."""
        self._end(number, TrialState.FAIL)

    def complete(self, number: int) -> None:
        """Close a trial that was trained to the end."""
        trial = self.record.trial(number)
        if trial.state != "RUNNING":
            return
        metrics = trial.metrics(self.spec.monitor)
        self.record.bound(number, self._excesses(metrics))
        values = tuple(metrics[objective.metric] for objective in self.spec.objectives)
        self._end(number, TrialState.COMPLETE, values)

    def _end(self, number: int, state: TrialState, values: tuple[float, ...] = ()) -> None:
        """Close a trial, and show at once that it is over."""
        self.record.finish(number, state, values)
        self._on_end(self.record.trial(number))

    def _excesses(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {
            constraint.metric: constraint.excess(metrics[constraint.metric])
            for constraint in self.search.constraints
            if constraint.metric in metrics
        }

    def refuse_if_nothing_works(self) -> None:
        """Stop a search whose first trials have all failed.

        Raises:
            UserError: with the error of the last one.
        """
        trials = [] if self._works else self.record.trials
        self._works |= any(trial.state in ("COMPLETE", "PRUNED") for trial in trials)
        if len(trials) >= MOST_FAILURES and all(trial.state == "FAIL" for trial in trials):
            raise nothing_works(trials)

    # --- progress

    def show(self) -> None:
        """Print how far the search has come and how long it may take."""
        trials = self.record.trials
        done = sum(trial.state != "RUNNING" for trial in trials)
        left = self._suggestions.num_left
        to_go = epochs_to_go(self.search, trials, left, next_batch(trials))
        spent = _num_epochs(trials)
        text = f"search {self.spec.name}: {done} trials, {spent} epochs done"
        if to_go and max(to_go):
            fewest, most = to_go
            text += f"; {most if fewest == most else f'{fewest} to {most}'} epochs to go"
            if expected := forecast(self._rounds, fewest, most):
                text += f", {expected}"
        print(text, flush=True)


def _num_epochs(trials: Iterable[Trial]) -> int:
    return sum(trial.num_epochs for trial in trials)


def nothing_works(trials: Sequence[Trial]) -> UserError:
    """Return the error of a search without a complete trial."""
    if trials and all(trial.is_diverged for trial in trials):
        return UserError("every trial diverged; search lower values of training.lr")
    failed = [trial for trial in trials if trial.state == "FAIL"]
    last = f"; trial {failed[-1].number}: {failed[-1].error}" if failed else ""
    return UserError(
        f"none of {len(trials)} trials is complete, {len(failed)} have failed{last}; allow a "
        "larger budget, or change the space"
    )
