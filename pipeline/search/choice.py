"""The trial whose settings are chosen: the best one, or one of the Pareto front."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pipeline.config.recipes import Recipe, override
from pipeline.core.errors import UserError
from pipeline.search.spec import StudySpec
from pipeline.search.study import nothing_works
from pipeline.search.trial import Trial


def chosen(recipe: Recipe, trial: Trial | None) -> Recipe:
    """Return the recipe with a trial's settings, or as written where nothing was searched.

    The result is complete and does not record how it was found: a new search that ends with the
    same settings retrains nothing.
    """
    settings = trial.settings if trial else {}
    return override(recipe, settings).model_copy(update={"search": None})


def choose(spec: StudySpec, trials: Sequence[Trial]) -> tuple[Trial, list[Trial]]:
    """Return the chosen trial and the Pareto front, the best by the first objective first.

    Trials that are equally good count by their number.

    Raises:
        UserError: no trial is complete, or none keeps the constraints.
    """
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    if not complete:
        raise nothing_works(trials)
    kept = [trial for trial in complete if keeps(spec, trial)]
    if not kept:
        raise UserError(_broken(spec, complete))
    costs = np.array([_to_minimise(spec, trial) for trial in kept])
    places = front(costs)
    order = sorted(places, key=lambda place: (*costs[place], kept[place].number))
    found = [kept[place] for place in order]
    if spec.search.choose == "best" or len(found) == 1:
        return found[0], found
    return found[knee(costs[order])], found


def kept(spec: StudySpec, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials whose networks are kept: the best ones by the first objective that differ
    in their settings and keep the constraints."""
    complete = [trial for trial in trials if trial.state == "COMPLETE" and keeps(spec, trial)]
    complete.sort(key=lambda trial: (_to_minimise(spec, trial), trial.number))
    different = {str(sorted(trial.settings.items())): trial for trial in reversed(complete)}
    found = [trial for trial in complete if trial in different.values()]
    return found[: spec.search.keep]


def keeps(spec: StudySpec, trial: Trial) -> bool:
    """Return whether a trial keeps all constraints."""
    metrics = trial.metrics(spec.monitor)
    return all(bound.excess(metrics[bound.metric]) <= 0 for bound in spec.search.constraints)


def front(costs: Float[np.ndarray, "n g"]) -> list[int]:
    """Return the rows that no other row dominates; the first of equal rows.

    Args:
        costs: the objectives, lower is better.
    """
    kept = []
    for row, own in enumerate(costs):
        is_no_worse = (costs <= own).all(axis=1)
        is_better = (costs < own).any(axis=1)
        is_earlier_equal = (costs[:row] == own).all(axis=1).any()
        if not (is_no_worse & is_better).any() and not is_earlier_equal:
            kept.append(row)
    return kept


def knee(costs: Float[np.ndarray, "n g"]) -> int:
    """Return the row of a front that lies farthest below the plane through its extremes.

    I. Das, On Characterizing the "Knee" of the Pareto Curve, 1999: each objective is scaled to 0..1
    over the front, and the plane is where their sum is 1.
    """
    spans = np.ptp(costs, axis=0)
    scaled = (costs - costs.min(axis=0)) / np.where(spans > 0, spans, 1.0)
    return int(scaled.sum(axis=1).argmin())


def _to_minimise(spec: StudySpec, trial: Trial) -> list[float]:
    return [
        -value if objective.direction == "maximize" else value
        for objective, value in zip(spec.objectives, trial.values, strict=True)
    ]


def _broken(spec: StudySpec, complete: Sequence[Trial]) -> str:
    """Say how near the nearest trial comes to each constraint."""
    found = []
    for bound in spec.search.constraints:
        values = [trial.metrics(spec.monitor)[bound.metric] for trial in complete]
        nearest = min(values, key=bound.excess)
        limit = (
            f"at most {bound.at_most:g}"
            if bound.at_least is None
            else f"at least {bound.at_least:g}"
        )
        found.append(f"{bound.metric} {limit}, nearest {nearest:g}")
    return (
        f"none of {len(complete)} complete trials keeps all constraints: {'; '.join(found)}; "
        "loosen one, or widen the space"
    )
