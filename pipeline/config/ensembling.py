"""The section `ensemble`: the methods to fit on validation, and their decision rules."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from pipeline.config.types import Fraction, Seed
from pipeline.core.component import Choice, Component, Strict, make, names

Costs = tuple[tuple[Annotated[float, Field(ge=0)], ...], ...]
"""The cost of each decision (column) for each true class (row)."""
Goal = Literal["f1", "accuracy", "balanced_accuracy", "half"]
"""The goal that thresholds optimise on validation, and by which systems are then compared; half:
always 0.5, compared by accuracy."""

ClassShares = Literal["as_found", "uniform"] | dict[str, Annotated[float, Field(ge=0, le=1)]]
"""The share of each class in the population that figures are meant for."""
SHARES_ROUNDING = 1e-6
"""How far the sum of given shares may be from 1."""
SetMethod = Literal["lac", "aps", "raps"]

Method: TypeAlias = Annotated[Component, Choice("method")]
Calibrator: TypeAlias = Annotated[Component, Choice("calibrator")]


class Sets(Strict):
    """For classes: how to find those that come into question for a sample."""

    method: SetMethod = "lac"
    by_class: bool = False
    """Whether `coverage` holds within each class, and not only on average over all samples."""
    allow_empty: bool = False
    """Whether a set may be empty; otherwise it holds the most probable class at least."""
    penalty: Annotated[float, Field(ge=0)] = 0.1
    """For raps: what each rank below the first `num_free` adds to a score."""
    num_free: Annotated[int, Field(ge=0)] = 2


class Ensembling(Strict):
    """The methods and decision rules to fit on validation. All of it takes seconds."""

    methods: Annotated[tuple[Method, ...], Field(min_length=1)] | None = None
    """null: every method that supports the task."""
    calibrators: Annotated[tuple[Calibrator, ...], Field(min_length=1)] | None = None
    """Each member and ensemble takes the one that suits it best; null: every calibrator."""
    num_folds: Annotated[int, Field(ge=2)] = 5
    """Number of validation folds: a system is evaluated on each after a fit on the others."""
    seed: Seed = 0
    threshold: Goal = "half"
    """The goal of the thresholds for two classes and for labels."""
    positive_class: str | None = None
    """The class, of two, that F1, precision and recall describe; needed where `threshold` is f1,
    which is not the same for both."""
    costs: Costs | None = None
    """For classes: one row per true class, with the cost of each decision; the decision is then the
    one with the lowest expected cost."""
    class_shares: ClassShares = "as_found"
    """For classes: the population that systems are fitted, chosen and measured for. as_found: that
    of validation and test; uniform: all classes alike; or a share for each class, by name."""
    coverage: Fraction = 0.9
    """The share of samples whose interval contains the value, or whose set contains the class."""
    sets: Sets = Sets()


def fitting(
    family: str, listed: tuple[Component, ...] | None, task: Component
) -> tuple[Component, ...]:
    """Return the components in `listed`; for null, all of the family that support the task."""
    if listed is not None:
        return listed
    made = [make(family, name) for name in names(family)]
    return tuple(component for component in made if suits(component, task))


def suits(component: Any, task: Any) -> bool:
    return task.ACTIVATION in component.ACTIVATIONS


def needs_class_shares(component: Component) -> bool:
    """Return whether it has nothing to do where figures are meant for the shares as found."""
    return getattr(type(component), "NEEDS_CLASS_SHARES", False)
