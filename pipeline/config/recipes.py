"""The sections `recipes`, `members` and `soups`: the networks that exist."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError

from pipeline.config.augmentation import Policy
from pipeline.config.messages import explain
from pipeline.config.search import Search, Settings
from pipeline.config.training import Training
from pipeline.config.types import Seed
from pipeline.core.component import Choice, Component, Strict, retuple
from pipeline.core.errors import UserError, nearest, shown
from pipeline.core.files import read_json

Model: TypeAlias = Annotated[Component, Choice("model")]
TRIAL = re.compile(r"(.+)/best_([1-9]\d*)")
Loss: TypeAlias = Annotated[Component, Choice("loss")]


def trial_of(recipe: str) -> tuple[str, int] | None:
    """Return the recipe and the place that `cnn/best_1` names; None for the name of a recipe."""
    found = TRIAL.fullmatch(recipe)
    return (found[1], int(found[2])) if found else None


class Recipe(Strict):
    """How one kind of network is built and trained."""

    model: Model
    loss: Loss
    training: Training
    policy: Policy | None = None
    """How its images are augmented anew in every epoch; null: by `augmentation.policy`, which makes
    the offline copies in any case."""
    search: Search | None = None

    @classmethod
    def load(cls, path: Path) -> "Recipe":
        """Read a recipe that was written as JSON, such as the one that a search has chosen."""
        return cls.model_validate(retuple(read_json(path)))


class Member(Strict):
    """One network of the ensemble: a recipe trained from a seed, or a trial of its search."""

    recipe: str
    """A recipe; or `cnn/best_1`, the network of the best trial that the search of cnn has kept."""
    seed: Seed = 0
    init_seed: Seed | None = None
    """Seed of the initial weights alone; null: `seed`."""

    @property
    def trial(self) -> tuple[str, int] | None:
        """The recipe and the place of the trial that this member is, from 1 for the best one."""
        return trial_of(self.recipe)

    @property
    def starts_from(self) -> int:
        return self.seed if self.init_seed is None else self.init_seed


class Soup(Strict):
    """An extra network: the mean of the weights of members with the same initial weights."""

    members: Annotated[tuple[str, ...], Field(min_length=2)]
    method: Literal["uniform", "greedy"] = "greedy"
    """uniform averages all members; greedy starts from the best one and adds each that does no harm
    on validation."""


def override(recipe: Recipe, settings: Settings) -> Recipe:
    """Replace the dotted keys in `settings`, and check the recipe like a parameter file.

    Another `name`, such as that of the optimiser, comes with the defaults of its other keys.

    Raises:
        UserError: a key that the recipe does not have, or a value that it does not allow.
    """
    renamed = {key: value for key, value in settings.items() if key.endswith(".name")}
    others = {key: value for key, value in settings.items() if key not in renamed}
    tree = recipe.model_dump()
    for dotted, value in renamed.items():
        node, _ = _place(tree, dotted)
        if node["name"] != value:
            node.clear()
            node["name"] = value
    if renamed:
        tree = _checked(tree).model_dump()
    for dotted, value in others.items():
        node, last = _place(tree, dotted)
        node[last] = value
    return _checked(tree)


def value_at(recipe: Recipe, dotted: str) -> Any:
    """Return what a recipe holds at a dotted key.

    Raises:
        UserError: it has no such key.
    """
    node, last = _place(recipe.model_dump(), dotted)
    return node[last]


def _checked(tree: dict[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(retuple(tree))
    except ValidationError as error:
        raise UserError(explain(error, tree, Recipe)) from None


def _place(tree: dict[str, Any], dotted: str) -> tuple[dict[str, Any], str]:
    """Return the mapping that holds a dotted key, and the last part of the key."""
    *parents, last = dotted.split(".")
    node: Any = tree
    for depth, key in enumerate(parents):
        node = _child(node, key, ".".join(parents[: depth + 1]))
    _child(node, last, dotted)
    return node, last


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
