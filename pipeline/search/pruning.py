"""Decides which trials of a rung go on."""

from collections.abc import Mapping, Sequence

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.config.search import Halving, Hyperband, Median, Search
from pipeline.search.bench import Bench
from pipeline.search.rungs import num_kept
from pipeline.search.spec import StudySpec

Reports = Mapping[int, float]
"""The intermediate values of a trial, by step."""


def survivors(
    spec: StudySpec, earlier: Sequence[FrozenTrial], reports: Mapping[int, Reports]
) -> set[int]:
    """Return the numbers of the trials of a rung that go on.

    Args:
        earlier: the trials of earlier batches.
        reports: those of each trial of the rung.
    """
    kept = num_kept(spec.search, len(reports))
    if kept is None:
        return {number for number, own in reports.items() if not _is_pruned(spec, earlier, own)}
    # Optuna's pruners for halving decide about a trial when it arrives, by those that came before.
    sign = -1 if spec.objectives[0].direction == "maximize" else 1
    last = {number: sign * own[max(own)] for number, own in reports.items()}
    return set(sorted(last, key=lambda number: (last[number], number))[:kept])


def build(search: Search) -> BasePruner:
    """Return Optuna's pruner."""
    chosen = search.pruner
    assert chosen is not None
    if isinstance(chosen, Median):
        return MedianPruner(n_startup_trials=chosen.startup_trials)
    if isinstance(chosen, Halving):
        return SuccessiveHalvingPruner(
            min_resource=chosen.min_epochs, reduction_factor=chosen.factor
        )
    if isinstance(chosen, Hyperband):
        return HyperbandPruner(
            min_resource=chosen.min_epochs,
            max_resource=search.epochs,
            reduction_factor=chosen.factor,
        )
    return WilcoxonPruner(p_threshold=chosen.p_threshold)


def _is_pruned(spec: StudySpec, earlier: Sequence[FrozenTrial], own: Reports) -> bool:
    """Ask Optuna's pruner about one trial, as if it were the only one after those before."""
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=dict(own))
    bench = Bench(spec, [*earlier, trial])
    return bool(build(spec.search).prune(bench.study, bench.trials[-1]))
