"""Checks of a recipe's search against the recipe and the other sections."""

from os.path import normpath

from pipeline.config.params import Params
from pipeline.config.recipe_checks import WEIGHTS, check_recipe
from pipeline.config.recipes import override
from pipeline.config.search import (
    CMAES,
    COSTS,
    Choices,
    Grid,
    Range,
    Search,
    Setting,
    Settings,
    Wilcoxon,
    objectives_of,
    reported,
)
from pipeline.config.trial_checks import check_kept
from pipeline.core.errors import UserError, nearest, shown


def check_search(params: Params, name: str) -> None:
    """Check the search of one recipe.

    Raises:
        UserError: begins with the key within the search.
    """
    search = params.recipes[name].search
    if search is None:
        return
    for key in search.space:
        _may_be_searched(key)
        _conditions_fit(search, key)
    names_first = sorted(search.space, key=lambda key: not key.endswith(".name"))
    for key in names_first:  # what a name stands for decides which other keys there are
        for value in _ends(search.space[key]):
            _is_allowed(params, name, key, value)
    _metrics_exist(search, params)
    _sampler_fits(search)
    _folds_fit(search, params.data.num_folds)
    _pruner_fits(search)
    _rest_fits(search)
    if params.execution.search_storage and not search.asynchronous:
        raise UserError(
            "asynchronous: got false with execution.search_storage; allowed true, since a study of "
            "several workers depends on which trial ends first; or set execution.search_storage to "
            "null"
        )
    check_kept(params, name)


def _may_be_searched(key: str) -> None:
    if key == "training.epochs" or key.startswith("search."):
        raise UserError(f"space: got {key}, but every trial runs for search.epochs; remove it")


def _conditions_fit(search: Search, key: str) -> None:
    """Check that an axis depends on choices of other axes, and on none that depend on it."""
    given = f"space.{key}.if"
    for other, wanted in search.space[key].conditions.items():
        axis = search.space.get(other)
        if not isinstance(axis, Choices):
            allowed = [k for k, a in search.space.items() if isinstance(a, Choices) and k != key]
            raise UserError(
                f"{given}: got {other}, which is no axis with choices; {nearest(other, allowed)}"
            )
        for value in wanted if isinstance(wanted, tuple) else (wanted,):
            if value not in axis.choices:
                raise UserError(
                    f"{given}.{other}: got {shown(value)}; allowed {_listed(axis.choices)}, its "
                    "choices"
                )
    if search.space[key].conditions and key in _before(search, key):
        raise UserError(
            f"{given}: got a condition that depends on {key} itself; remove one of them"
        )


def _is_allowed(params: Params, name: str, key: str, value: Setting) -> None:
    """Check that the recipe allows a value wherever its axis is searched."""
    recipe = params.recipes[name]
    assert recipe.search is not None
    for others in _contexts(recipe.search, key):
        try:
            check_recipe(override(recipe, {**others, key: value}), params.task)
        except UserError as error:
            own = {} if f"{error}".startswith(key) else {key: value}
            raise UserError(f"space: {error}{_under({**others, **own})}") from None


def _before(search: Search, key: str) -> set[str]:
    """Return all axes that decide what a key may be, directly or through others."""
    found, open_ = set[str](), [key]
    while open_:
        others = _deciding(search, open_.pop()).keys() - found
        found |= others
        open_ += [other for other in others if other in search.space]
    return found


def _deciding(search: Search, key: str) -> dict[str, Setting | tuple[Setting, ...]]:
    """Return the choices of other axes that decide what a key may be: conditions and names."""
    wanted: dict[str, Setting | tuple[Setting, ...]] = {**search.space[key].conditions}
    name = f"{key.rpartition('.')[0]}.name"
    named = search.space.get(name)
    if isinstance(named, Choices) and name != key and name not in wanted:
        wanted[name] = named.choices
    return wanted


def _contexts(search: Search, key: str) -> list[Settings]:
    """Return every combination of the choices that decide what a key may be."""
    found: list[Settings] = [{}]
    for other, values in _deciding(search, key).items():
        each = values if isinstance(values, tuple) else (values,)
        nested = [(value, more) for value in each for more in _contexts(search, other)]
        found = [{**one, **more, other: value} for one in found for value, more in nested]
    return found


def _under(others: Settings) -> str:
    if not others:
        return ""
    named = ", ".join(f"{key} {shown(value)}" for key, value in others.items())
    return f" with {named}; give the axis an `if`, or change it"


def _ends(axis: Range | Choices) -> tuple[Setting, ...]:
    return axis.choices if isinstance(axis, Choices) else (axis.low, axis.high)


def _metrics_exist(search: Search, params: Params) -> None:
    allowed = reported(params.task)
    named = [("objectives", metric) for metric in search.objectives or ()]
    named += [("constraints", constraint.metric) for constraint in search.constraints]
    for key, metric in named:
        if metric not in allowed:
            raise UserError(
                f"{key}: got {metric!r}, which task {params.task.name} does not report; "
                f"{nearest(metric, allowed)}"
            )
        if named.count((key, metric)) > 1:
            raise UserError(f"{key}: got {metric!r} twice; allowed once")
    metrics = [one.metric for one in objectives_of(search, params.task)]
    if set(metrics) <= set(COSTS):
        raise UserError(
            f"objectives: got {_listed(metrics)}, which no training improves; allowed with a score "
            f"such as {next(iter(allowed))}"
        )
    if search.choose == "knee" and len(metrics) < 2:
        raise UserError("choose: got 'knee' with one objective; allowed best")


def _sampler_fits(search: Search) -> None:
    sampler = search.sampler
    several = len(search.objectives or ()) > 1
    if isinstance(sampler, CMAES) and (several or search.constraints):
        what = "several objectives" if several else "constraints"
        raise UserError(f"sampler: got cma_es with {what}; allowed gp, grid, qmc, random or tpe")
    if isinstance(sampler, CMAES) and not any(
        isinstance(axis, Range) and not axis.conditions for axis in search.space.values()
    ):
        raise UserError(
            "sampler: got cma_es, which learns nothing about choices, and no range without a "
            "condition in space; allowed gp, grid, qmc, random or tpe"
        )
    for key, axis in search.space.items():
        if isinstance(sampler, Grid) and isinstance(axis, Range):
            raise UserError(
                f"sampler: got grid, but {key} is a range; allowed choices; write some of its "
                "values as choices"
            )


def _folds_fit(search: Search, num_folds: int | None) -> None:
    given = f"folds: got {search.folds}"
    if search.folds > (num_folds or 1):
        raise UserError(
            f"{given}, but data.num_folds is {shown(num_folds)}; allowed up to {num_folds or 1}"
        )
    if isinstance(search.pruner, Wilcoxon):
        smallest = 0.5**search.folds
        if smallest >= search.pruner.p_threshold:
            raise UserError(
                f"{given} with pruner wilcoxon, whose smallest p-value is then {smallest:.2g}; "
                f"allowed more folds, or a p_threshold above that"
            )
    elif search.pruner and search.folds > 1:
        raise UserError(
            f"{given} with pruner {search.pruner.name}, which compares epochs of one fit; allowed "
            "1, or pruner wilcoxon"
        )


def _pruner_fits(search: Search) -> None:
    pruner = search.pruner
    if pruner is None:
        return
    if len(search.objectives or ()) > 1:
        raise UserError(
            f"pruner: got {pruner.name} with several objectives; allowed null, since no trial is "
            "better by all of them"
        )
    if not isinstance(pruner, Wilcoxon) and pruner.min_epochs >= search.epochs:
        raise UserError(
            f"pruner.min_epochs: got {pruner.min_epochs}; allowed less than the {search.epochs} "
            "epochs of a trial"
        )


def _rest_fits(search: Search) -> None:
    least = search.epochs * search.folds
    if search.budget.epochs is not None and search.budget.epochs < least:
        raise UserError(
            f"budget.epochs: got {search.budget.epochs}; allowed {least} or more, the epochs of "
            "one trial"
        )
    given = search.warm_start
    if given is not None and not normpath(given).startswith(f"{WEIGHTS}/"):
        raise UserError(
            f"warm_start: got {given!r}; allowed a file below {WEIGHTS}, where DVC notices "
            "changes; put it there"
        )


def _listed(values: object) -> str:
    assert isinstance(values, list | tuple)
    return ", ".join(v if isinstance(v, str) else shown(v) for v in values)
