"""Checks of trials whose networks are members."""

from pipeline.config.params import Params
from pipeline.config.recipes import Member
from pipeline.core.errors import UserError, nearest


def check_kept(params: Params, name: str) -> None:
    """Check that the networks which a search keeps are ones that members could have.

    Raises:
        UserError: begins with the key within the search.
    """
    recipe, num_folds = params.recipes[name], params.data.num_folds
    search = recipe.search
    assert search is not None
    if not search.keep:
        return
    if num_folds or search.folds > 1:
        several = f"data.num_folds is {num_folds}" if num_folds else f"folds is {search.folds}"
        raise UserError(
            f"keep: got {search.keep}, but {several}, and the network of a trial is a member only "
            "where both have one fold; set keep: 0"
        )
    if search.epochs != recipe.training.epochs:
        raise UserError(
            f"keep: got {search.keep}, but trials run for {search.epochs} epochs and members for "
            f"{recipe.training.epochs}; set search.epochs: {recipe.training.epochs}, or keep: 0"
        )


def check_trial(params: Params, member: Member) -> None:
    """Check a member that is a trial.

    Raises:
        UserError: begins with the key within the member.
    """
    name, place = member.trial or ("", 0)
    search = params.recipes[name].search if name in params.recipes else None
    keep = search.keep if search else 0
    if place > keep:
        allowed = [*params.recipes]
        for other, recipe in params.recipes.items():
            num = recipe.search.keep if recipe.search else 0
            allowed += [f"{other}/best_{i}" for i in range(1, num + 1)]
        hint = f"; set recipes.{name}.search.keep: {place}" if search else ""
        raise UserError(f"recipe: got {member.recipe!r}; {nearest(member.recipe, allowed)}{hint}")
    if member.seed or member.init_seed is not None:
        key = "seed" if member.seed else "init_seed"
        raise UserError(
            f"{key}: got {getattr(member, key)}, but a trial was trained from the seed of its "
            "search; remove it"
        )
