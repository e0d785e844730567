"""The section `search` of a recipe: an Optuna study of its settings."""

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import Discriminator, Field, Tag, create_model, model_validator
from pydantic_core import PydanticCustomError

from pipeline.config.types import Fraction, Positive, Seed, Value
from pipeline.core.component import Component, Strict

Setting: TypeAlias = Value | tuple[Value, ...]
"""What a trial may set: a value, or a list of them such as `widths`."""
Settings: TypeAlias = dict[str, Setting]

COSTS = ("multiply_adds", "num_parameters")
"""What can be minimised besides the scores of the task; both follow from the recipe alone."""
Direction = Literal["minimize", "maximize"]

_WHEN: dict[str, Any] = {"if": (dict[str, Setting], {})}  # Python reserves the word
_Conditional: Any = create_model("_Conditional", __base__=Strict, **_WHEN)


class _Axis(_Conditional):  # type: ignore[misc]  # the base is made above
    @property
    def conditions(self) -> Settings:
        """Return the choices of other axes under which this one is searched; all must hold.

        A list holds if one of its entries was chosen.
        """
        found: Settings = getattr(self, "if")
        return found


class Range(_Axis):
    """A numeric axis of a search."""

    low: int | float
    high: int | float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are searched."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise PydanticCustomError("range", "low below high")
        if self.log and self.low <= 0:
            raise PydanticCustomError("range", "low above 0 when log is true")
        return self


class Choices(_Axis):
    """A categorical axis of a search."""

    choices: Annotated[tuple[Setting, ...], Field(min_length=1)]


def _kind_of_axis(axis: object) -> str | None:
    if not isinstance(axis, dict):
        return type(axis).__name__
    kinds = {"choices": "Choices", "low": "Range", "high": "Range"}
    return next((kind for key, kind in kinds.items() if key in axis), None)


Axis = Annotated[
    Annotated[Range, Tag("Range")] | Annotated[Choices, Tag("Choices")],
    Discriminator(
        _kind_of_axis,
        custom_error_type="axis",
        custom_error_message="{{low: a, high: b}} or {{choices: [a, b]}}",
    ),
]


class TPE(Strict):
    """The tree-structured Parzen estimator, of each axis on its own (Bergstra et al., 2011)."""

    name: Literal["tpe"] = "tpe"
    startup_trials: Positive = 10
    """Random trials before the first that is suggested."""


class GP(Strict):
    """Bayesian optimisation with a Gaussian process, for few and expensive trials."""

    name: Literal["gp"]
    startup_trials: Positive = 10
    """Random trials before the first that is suggested."""


class CMAES(Strict):
    """Covariance matrix adaptation, for numeric axes and many trials; draws others at random."""

    name: Literal["cma_es"]
    population: Annotated[int, Field(ge=3)] | None = None
    """Trials of one generation; null: 4 + 3 log(axes)."""


class QMC(Strict):
    """A scrambled Sobol sequence, which covers the space more evenly than random draws."""

    name: Literal["qmc"]


class Random(Strict):
    """Independent draws."""

    name: Literal["random"]


class Grid(Strict):
    """Every combination of all choices, the last axis fastest; the search ends with the last."""

    name: Literal["grid"]


class _Rungs(Strict):
    min_epochs: Positive = 1
    """The end of the first rung."""
    factor: Annotated[int, Field(ge=2)] = 3
    """Each rung ends at `factor` times the epochs of the one before."""


class Median(_Rungs):
    """Prunes a trial that at the end of a rung is worse than the median of earlier trials."""

    name: Literal["median"]
    startup_trials: Positive = 5
    """Completed trials before the first one that is pruned."""


class Halving(_Rungs):
    """Successive halving: the best one in `factor` of a batch goes on to the next rung.

    K. Jamieson and A. Talwalkar, Non-stochastic Best Arm Identification, 2016.
    """

    name: Literal["halving"]


class Hyperband(_Rungs):
    """Successive halving whose batches take turns to begin at a later rung, with fewer trials.

    `batch` is the size of those that begin at the first. L. Li et al., Hyperband, 2018.
    """

    name: Literal["hyperband"]


class Wilcoxon(Strict):
    """Prunes a trial after a fold if a signed-rank test finds it worse than the best trial."""

    name: Literal["wilcoxon"]
    p_threshold: Fraction = 0.1


class Constraint(Strict):
    """A bound that the chosen trial keeps."""

    metric: str
    at_most: float | None = None
    at_least: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Constraint":
        if (self.at_most is None) == (self.at_least is None):
            raise PydanticCustomError("bound", "either at_most or at_least")
        return self

    def excess(self, value: float) -> float:
        """Return by how much a value breaks the bound; 0 or less where it keeps it."""
        if self.at_most is not None:
            return value - self.at_most
        assert self.at_least is not None
        return self.at_least - value


class Budget(Strict):
    """What a search may spend, over all its sessions; the first limit that is reached ends it."""

    trials: Positive | None = None
    epochs: Positive | None = None
    """Epochs of all fits; a batch that might exceed them is made smaller or not begun."""
    hours: Annotated[float, Field(gt=0)] | None = None
    """After this time no fit begins; those that run go on to the end of their rung."""

    @model_validator(mode="after")
    def _limited(self) -> "Budget":
        if (self.trials, self.epochs, self.hours) == (None, None, None):
            raise PydanticCustomError("budget", "one or more of trials, epochs and hours")
        return self


Sampler = Annotated[TPE | GP | CMAES | QMC | Random | Grid, Field(discriminator="name")]
Pruner = Annotated[Median | Halving | Hyperband | Wilcoxon, Field(discriminator="name")]


class Search(Strict):
    """An Optuna study over one recipe."""

    space: Annotated[dict[str, Axis], Field(min_length=1)]
    """Axes by dotted keys of the recipe, such as `training.lr`. With `if: {training.optimiser.name:
    sgd}`, an axis is searched only where another one has that choice."""
    budget: Budget
    epochs: Positive
    """Epochs of a fit; its learning-rate schedule spans all of them."""
    folds: Positive = 1
    """Fits of a trial, each validated on another fold; its metrics are their means."""
    batch: Positive = 2
    """Trials that are suggested together. The study is a function of it and of the seed, whatever
    the number of fits that run at once."""
    seed: Seed = 0
    sampler: Sampler = TPE()
    pruner: Pruner | None = None
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Metrics such as `val/accuracy` and `multiply_adds`, each minimised or maximised as the task
    says; null: the one that `monitor` names."""
    constraints: tuple[Constraint, ...] = ()
    choose: Literal["best", "knee"] = "best"
    """Among the trials of the Pareto front, the best one by the first objective, or the one at the
    knee, where giving up a little of one objective stops to gain much of another."""
    keep: Annotated[int, Field(ge=0)] = 0
    """The number of best trials with different settings whose networks are kept, for members such
    as `{recipe: cnn/best_1}`; a network takes the disk space of a member's."""
    retries: Annotated[int, Field(ge=0)] = 1
    """How often a fit that crashed is started again, before its trial counts as failed."""
    asynchronous: bool = False
    """Suggest a trial whenever a place is free. That keeps unequal workers busy, but then the study
    depends on which trial ends first."""
    warm_start: str | None = None
    """A table of trials below data/weights, such as the trials.csv of another search of the same
    axes, from which the sampler learns before the first trial."""


class Objective(NamedTuple):
    """One objective."""

    metric: str
    direction: Direction


def reported(task: Component) -> dict[str, Direction]:
    """Return what a search may optimise or bound: the task's scores on validation, and costs."""
    declared: Any = task
    scores: dict[str, Direction] = {f"val/{name}": way for name, way in declared.SCORES.items()}
    return {**scores, **dict.fromkeys(COSTS, "minimize")}


def objectives_of(search: Search, task: Component) -> tuple[Objective, ...]:
    """Return the objectives of a search; without any, the metric that fits are watched by."""
    declared: Any = task
    metrics = search.objectives or (f"val/{declared.MONITOR}",)
    ways = reported(task)
    return tuple(Objective(metric, ways[metric]) for metric in metrics)


def holds(conditions: Settings, settings: Settings) -> bool:
    """Return whether settings meet the conditions of an axis."""
    return all(
        key in settings and settings[key] in (wanted if isinstance(wanted, tuple) else (wanted,))
        for key, wanted in conditions.items()
    )


def in_order(space: dict[str, Range | Choices]) -> dict[str, Range | Choices]:
    """Return the axes with each one after those of its conditions, otherwise as they are written.

    Axes whose conditions form a circle are left out.
    """
    ordered: dict[str, Range | Choices] = {}
    while True:
        ready = (key for key in space if key not in ordered)
        found = next((k for k in ready if space[k].conditions.keys() <= ordered.keys()), None)
        if found is None:
            return ordered
        ordered[found] = space[found]
