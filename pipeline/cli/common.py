"""Functions that several commands share."""

from pathlib import Path

from pipeline.config.params import Params
from pipeline.config.recipes import Recipe
from pipeline.core.errors import UserError, nearest


def recipe_of(loaded: Params, name: str, file: Path) -> Recipe:
    """Return a recipe by its name.

    Raises:
        UserError: the file has no recipe of that name.
    """
    if name not in loaded.recipes:
        raise UserError(f"{file}: recipes: got {name!r}; {nearest(name, loaded.recipes)}")
    return loaded.recipes[name]
