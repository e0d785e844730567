"""`convoy gradcheck`: check a recipe's gradients."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.common import recipe_of
from pipeline.config.load import load_params
from pipeline.core.errors import UserError
from pipeline.core.paths import PARAMS_FILE


def gradcheck(
    recipe: Annotated[str, typer.Argument(help="A recipe of the parameter file.")],
    file: Annotated[Path, typer.Option(help="The parameter file.")] = PARAMS_FILE,
    size_px: Annotated[int, typer.Option(min=1, help="Side of the random images.")] = 32,
    channels: Annotated[int, typer.Option(min=1, max=3)] = 3,
) -> None:
    """Compare a recipe's gradients with finite differences; status 1 where one differs."""
    loaded = load_params(file)
    own, failed = recipe_of(loaded, recipe, file), []
    from pipeline.models.gradcheck import TOLERANCE, checks

    for found in checks(own.model, own.loss, loaded.task, (size_px, size_px, channels)):
        verdict, problem = ("WRONG", f": {found.problem}") if found.problem else ("fine", "")
        print(f"{verdict:5}  {found.num_elements:>12,}  {found.name}{problem}")
        failed += [found.name] if found.problem else []
    if failed:
        raise UserError(
            f"{recipe}: {len(failed)} gradients differ from finite differences by more than "
            f"{TOLERANCE:g}: {', '.join(failed)}; correct the backward pass of the layers they "
            "pass through"
        )
    print(f"{recipe}: no gradient differs from its finite difference by more than {TOLERANCE:g}")
