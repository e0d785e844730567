"""Checks of the sections of params.yaml against each other."""

from itertools import product
from typing import Any

from pipeline.config.distillation_checks import check_distillation
from pipeline.config.ensembling_checks import check_ensemble
from pipeline.config.params import Params
from pipeline.config.recipe_checks import check_recipe
from pipeline.config.recipes import Recipe
from pipeline.config.search import Choices
from pipeline.config.search_checks import check_search
from pipeline.config.serving_checks import check_serving
from pipeline.config.trial_checks import check_trial
from pipeline.core.errors import UserError, nearest


def check(params: Params, origin: str) -> None:
    """Check every section against the others.

    Raises:
        UserError: two values do not fit each other.
    """
    for one in (
        _recipes_exist,
        _recipes_fit,
        _soups_fit,
        _copies_fit,
        _fsdp_fits,
        _compiling_fits,
        _searches_fit,
        _batches_divide,
        _predicted_members_exist,
        _members_are_several,
        check_ensemble,
        check_distillation,
        _margins_fit,
        check_serving,
    ):
        one(params, origin)


def _recipes_exist(params: Params, origin: str) -> None:
    for name, member in params.members.items():
        if member.trial:
            try:
                check_trial(params, member)
            except UserError as error:
                raise UserError(f"{origin}: members.{name}.{error}") from None
        elif member.recipe not in params.recipes:
            hint = nearest(member.recipe, params.recipes)
            raise UserError(f"{origin}: members.{name}.recipe: got {member.recipe!r}; {hint}")


def _soups_fit(params: Params, origin: str) -> None:
    """Check that a soup's members share an architecture and start from the same weights."""
    for name, soup in params.soups.items():
        key = f"{origin}: soups.{name}"
        if name in params.members:
            raise UserError(f"{key}: a soup may not have the name of a member; rename it")
        for member in soup.members:
            if member not in params.members:
                hint = nearest(member, params.members)
                raise UserError(f"{key}.members: got {member!r}; {hint}")
            if params.members[member].trial:
                raise UserError(
                    f"{key}.members: got {member!r}, which is a trial; allowed members that are "
                    "trained from the same initial weights"
                )
            if soup.members.count(member) > 1:
                raise UserError(f"{key}.members: got {member!r} twice; allowed once")
        first, *others = (params.members[member] for member in soup.members)
        for member, other in zip(soup.members[1:], others, strict=True):
            if other.starts_from != first.starts_from:
                raise UserError(
                    f"{key}.members: {soup.members[0]} is initialised with seed "
                    f"{first.starts_from}, {member} with seed {other.starts_from}; allowed one "
                    f"seed for all; set members.{member}.init_seed: {first.starts_from}"
                )
            if not _build_the_same(params, first.recipe, other.recipe):
                raise UserError(
                    f"{key}.members: {soup.members[0]} and {member} have different "
                    "architectures; allowed members of one recipe, or of recipes with the same "
                    "`model` that no search changes"
                )


def _build_the_same(params: Params, one: str, other: str) -> bool:
    if one == other:
        return True
    recipes = params.recipes[one], params.recipes[other]
    axes = [axis for recipe in recipes if recipe.search for axis in recipe.search.space]
    is_searched = any(axis.startswith("model.") for axis in axes)
    return recipes[0].model == recipes[1].model and not is_searched


def _recipes_fit(params: Params, origin: str) -> None:
    for name, recipe in params.recipes.items():
        try:
            check_recipe(recipe, params.task)
        except UserError as error:
            raise UserError(f"{origin}: recipes.{name}.{error}") from None


def _fsdp_fits(params: Params, origin: str) -> None:
    """Check that no recipe needs whole weights, since each device holds only a shard of them."""
    strategy = params.hardware.strategy
    if strategy not in ("fsdp", "fsdp_cpu_offload"):
        return
    given = f"{origin}: hardware.strategy: got {strategy}"
    if params.hardware.world == 1:
        raise UserError(f"{given} with 1 device; allowed only with more; set it to auto")
    for name, recipe in params.recipes.items():
        training, where = recipe.training, f"recipes.{name}.training"
        if training.optimiser.name == "muon":
            raise UserError(
                f"{given} with {where}.optimiser muon; allowed any other, such as adamw"
            )
        if training.penalty.l1 or training.penalty.l2:
            raise UserError(f"{given} with {where}.penalty; allowed none; use weight_decay")
        if training.transfer.frozen_epochs != 0:
            raise UserError(
                f"{given} with {where}.transfer.frozen_epochs; allowed only with frozen_epochs 0"
            )


def _compiling_fits(params: Params, origin: str) -> None:
    """Check for one device and a fixed set of trained weights: only such a step is compiled."""
    given = f"{origin}: hardware.compile: got true"
    if params.hardware.compile and params.hardware.world > 1:
        raise UserError(
            f"{given} with {params.hardware.world} devices; allowed only with one, since "
            "communication between devices is not compiled; set it to false"
        )
    for name, recipe in params.recipes.items():
        if params.hardware.compile and recipe.training.transfer.gradual:
            raise UserError(
                f"{given}, but recipes.{name} unfreezes gradually, and the network would be "
                "compiled again for each unfrozen block; allowed false"
            )


def _copies_fit(params: Params, origin: str) -> None:
    task: Any = params.task
    offline = params.augmentation.offline
    if offline and offline.minority_only and task.KIND != "classes":
        raise UserError(
            f"{origin}: augmentation.offline.minority_only: got true, which needs one class per "
            f"image; allowed false with task {task.name}"
        )


def _batches_divide(params: Params, origin: str) -> None:
    """Check every combination that a search may choose."""
    for name, recipe in params.recipes.items():
        given = f"{origin}: recipes.{name}"
        sizes = _values(recipe, "training.batch_size", recipe.training.batch_size)
        cuts = _values(recipe, "training.micro_batches", recipe.training.micro_batches)
        if cuts is None or (sizes is None and (params.hardware.world > 1 or cuts != (1,))):
            raise UserError(
                f"{given}.search.space: got a range of batch_size or micro_batches; allowed "
                "choices, since each batch is divided into equal parts"
            )
        for size, cut in product(sizes or (), cuts):
            parts = params.hardware.world * cut
            if size % parts:
                raise UserError(
                    f"{given}.training.batch_size: got {size}; allowed a multiple of {parts}, "
                    "hardware.devices × num_nodes × micro_batches"
                )


def _values(recipe: Recipe, key: str, written: int) -> tuple[Any, ...] | None:
    """Return the values that a key may take, given the recipe and its search; None for a range."""
    axis = recipe.search.space.get(key) if recipe.search else None
    if axis is None:
        return (written,)
    return (written, *axis.choices) if isinstance(axis, Choices) else None


def _searches_fit(params: Params, origin: str) -> None:
    for name in params.recipes:
        try:
            check_search(params, name)
        except UserError as error:
            raise UserError(f"{origin}: recipes.{name}.search.{error}") from None


def _predicted_members_exist(params: Params, origin: str) -> None:
    for name in params.prediction.members:
        if name not in params.networks:
            hint = nearest(name, params.networks)
            raise UserError(f"{origin}: prediction.members: got {name!r}; {hint}")


def _members_are_several(params: Params, origin: str) -> None:
    if len(params.members) < 2:
        raise UserError(
            f"{origin}: members: got only {', '.join(params.members)}; allowed two or more; add "
            "one, for example another seed of the same recipe"
        )


def _margins_fit(params: Params, origin: str) -> None:
    """Check that a margin of shares is a share: no two systems are further apart than 1."""
    task: Any = params.task
    if task.KIND == "values" or params.ensemble.costs is not None:
        return
    for key, margin in (
        ("evaluation.equivalence_margin", params.evaluation.equivalence_margin),
        ("tracking.promotion_margin", params.tracking.promotion_margin),
    ):
        if margin is not None and margin >= 1:
            raise UserError(
                f"{origin}: {key}: got {margin:g}; allowed less than 1, as systems are compared by "
                "a share; write 0.01 for one point"
            )
