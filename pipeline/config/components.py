"""The files of components that a recipe and its search can use: its models, losses and policies.

DVC names the dependencies of an entry before it runs, and cannot read names from the choices of a
search. So the stage `components` hashes these files for each recipe, and `search` depends on the
hashes: an edit of a component that a recipe does not use leaves them as they are.
"""

from pathlib import Path

from pipeline.config.params import Params
from pipeline.config.recipes import Recipe
from pipeline.config.search import Choices
from pipeline.core.component import FAMILIES
from pipeline.core.dvcfile import content_hash
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import Layout

STAGE = "components"


def component_code(recipe: Recipe) -> dict[str, str]:
    """Return the SHA-256 of each file that the recipe names, and of those its search may choose."""
    used = {"model": recipe.model.name, "loss": recipe.loss.name}
    if recipe.policy:
        used["policy"] = recipe.policy.name
    return {
        file: content_hash(Path(file))
        for family, written in used.items()
        for file in sorted(_file(family, name) for name in {written, *_names(recipe, family)})
    }


def network_code(made_of: dict[str, str]) -> dict[str, str]:
    """Return the part of a fit's code that its network needs in order to compute."""
    return {path: hash_ for path, hash_ in made_of.items() if path.startswith("pipeline/models/")}


def outdated(params: Params, layout: Layout) -> list[Path]:
    """Return the files that the stage `components` would write otherwise than they are."""
    paths = {layout.components(name): recipe for name, recipe in params.recipes.items()}
    return [path for path, recipe in paths.items() if not _is_current(path, recipe)]


def require_current(params: Params, layout: Layout, recipe: str) -> None:
    """Check that the hashes of a recipe's components are those of the present code.

    Raises:
        UserError: they are missing, or were taken before an edit.
    """
    path = layout.components(recipe)
    if not _is_current(path, params.recipes[recipe]):
        what = "does not belong to the present code" if path.is_file() else "not found"
        raise UserError(f"{path}: {what}; run `dvc repro --force {STAGE}`")


def _is_current(path: Path, recipe: Recipe) -> bool:
    return path.is_file() and bool(read_json(path) == component_code(recipe))


def searched(recipe: Recipe, dotted: str) -> tuple[object, ...]:
    """Return what the search of a recipe may choose for a dotted key, if it has choices."""
    axis = recipe.search.space.get(dotted) if recipe.search else None
    return axis.choices if isinstance(axis, Choices) else ()


def _names(recipe: Recipe, family: str) -> tuple[str, ...]:
    return tuple(map(str, searched(recipe, f"{family}.name")))


def _file(family: str, name: str) -> str:
    return f"{FAMILIES[family].replace('.', '/')}/{name}.py"
