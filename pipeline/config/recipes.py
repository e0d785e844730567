"""The sections `recipes`, `members` and `soups`: the networks that exist."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from pipeline.config.messages import explain
from pipeline.config.training import Training
from pipeline.config.types import Positive, Seed, Value
from pipeline.core.component import Choice, Component, Strict, retuple
from pipeline.core.errors import UserError, nearest, shown

Model: TypeAlias = Annotated[Component, Choice("model")]
Loss: TypeAlias = Annotated[Component, Choice("loss")]


class Range(Strict):
    """A numeric axis of a search."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise PydanticCustomError("range", "low below high")
        if self.log and self.low <= 0:
            raise PydanticCustomError("range", "low above 0 when log is true")
        return self


class Choices(Strict):
    """A categorical axis of a search."""

    choices: Annotated[tuple[Value, ...], Field(min_length=1)]


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


class Search(Strict):
    """An Optuna study over one recipe, which minimises the metric that `monitor` names."""

    num_trials: Positive
    epochs: Positive
    """Epochs of one trial."""
    space: Annotated[dict[str, Axis], Field(min_length=1)]
    """Axes by dotted keys of the recipe, such as `training.lr`."""
    parallel: Positive = 2
    """Number of concurrent trials, each a process with one thread."""
    seed: Seed = 0


class Recipe(Strict):
    """How one kind of network is built and trained."""

    model: Model
    loss: Loss
    training: Training
    search: Search | None = None


class Member(Strict):
    """One network of the ensemble: a recipe trained from a seed."""

    recipe: str
    seed: Seed = 0
    init_seed: Seed | None = None
    """Seed of the initial weights alone; null: `seed`."""

    @property
    def starts_from(self) -> int:
        return self.seed if self.init_seed is None else self.init_seed


class Soup(Strict):
    """An extra network: the mean of the weights of members with the same initial weights."""

    members: Annotated[tuple[str, ...], Field(min_length=2)]
    method: Literal["uniform", "greedy"] = "greedy"
    """uniform averages all members; greedy starts from the best one and adds each that does no harm
    on validation."""


def override(recipe: Recipe, settings: dict[str, Value]) -> Recipe:
    """Replace the dotted keys in `settings`, and check the recipe like a parameter file.

    Raises:
        UserError: a key that the recipe does not have, or a value that it does not allow.
    """
    tree = recipe.model_dump()
    for dotted, value in settings.items():
        *parents, last = dotted.split(".")
        node: Any = tree
        for depth, key in enumerate(parents):
            node = _child(node, key, ".".join(parents[: depth + 1]))
        _child(node, last, dotted)
        node[last] = value
    try:
        return Recipe.model_validate(retuple(tree))
    except ValidationError as error:
        raise UserError(explain(error, tree, Recipe)) from None


def _child(node: Any, key: str, dotted: str) -> Any:
    if node is None:
        raise UserError(f"{dotted}: {dotted.rpartition('.')[0]} is null; set it in the recipe")
    if not isinstance(node, dict):
        raise UserError(
            f"{dotted}: {dotted.rpartition('.')[0]} is {shown(node)}, which has no keys; allowed "
            "a key of a mapping, such as training.lr"
        )
    if key not in node:
        raise UserError(f"{dotted}: unknown key of a recipe; {nearest(key, node)}")
    return node[key]
