"""Rules for the section `distil` that involve other sections: members are trained before it."""

from typing import Any

from pipeline.config.components import searched
from pipeline.config.distillation import ENSEMBLE, Student
from pipeline.config.params import Params
from pipeline.config.recipe_checks import losses_for
from pipeline.config.recipes import Recipe
from pipeline.core.component import schema
from pipeline.core.errors import UserError, nearest, shown


def check_distillation(params: Params, origin: str) -> None:
    """Check every student, and that a deployed one exists.

    Raises:
        UserError: two values do not fit each other.
    """
    for name, student in params.distil.items():
        try:
            _name_is_free(params, name)
            _teacher_exists(params)
            _recipe_fits(params, student)
        except UserError as error:
            raise UserError(f"{origin}: distil.{name}{error}") from None
    model, allowed = params.serving.model, [ENSEMBLE, *params.distil]
    if model not in allowed:
        raise UserError(f"{origin}: serving.model: got {model!r}; {nearest(model, allowed)}")


def _name_is_free(params: Params, name: str) -> None:
    for what, taken in (("member", params.members), ("soup", params.soups)):
        if name in taken:
            raise UserError(f": a student may not have the name of a {what}; rename it")
    if name == ENSEMBLE:
        raise UserError(": this is what serving.model calls the ensemble; rename the student")


def _teacher_exists(params: Params) -> None:
    """Check that there are predictions of all training samples, for the classes' shares in them."""
    if params.data.num_folds is None:
        raise UserError(
            ": got data.num_folds null; allowed 2 or more, since only with folds does the ensemble "
            "predict every training sample without having learned from it; set data.num_folds"
        )
    shares = params.ensemble.class_shares
    if shares != "as_found":
        raise UserError(
            f": got ensemble.class_shares {shown(shares)}, for which the ensemble predicts, while "
            "the labels are as they were found; allowed as_found"
        )


def _recipe_fits(params: Params, student: Student) -> None:
    if student.recipe not in params.recipes:
        hint = nearest(student.recipe, params.recipes)
        raise UserError(f".recipe: got {student.recipe!r}; {hint}")
    task: Any = params.task
    if task.KIND == "values" and student.temperature != 1:
        raise UserError(
            f".temperature: got {student.temperature:g}, but task {task.name} predicts values, "
            "which have no temperature; allowed 1"
        )
    recipe, given = params.recipes[student.recipe], f".recipe: got {student.recipe}, whose"
    for loss in (recipe.loss.name, *map(str, searched(recipe, "loss.name"))):
        if not _takes_soft_targets(loss):
            fitting = [n for n in losses_for(task) if _takes_soft_targets(n)]
            raise UserError(
                f"{given} loss {loss} takes no probabilities as targets; allowed a recipe with "
                f"loss {' or '.join(fitting)}"
            )
    for key, plain in (("class_weights", None), ("sampling", "natural")):
        if task.KIND == "classes" and _used(recipe, key) != {plain}:
            raise UserError(
                f"{given} training.{key} is not always {shown(plain)}, which makes it predict "
                "other shares of the classes than its teacher does; allowed "
                f"{shown(plain)}, with logit_adjustment for rare classes"
            )


def _takes_soft_targets(loss: str) -> bool:
    return bool(getattr(schema("loss", loss), "SOFT_TARGETS", False))


def _used(recipe: Recipe, key: str) -> set[object]:
    """Return the values that a setting of training can have, as written or by the search."""
    return {getattr(recipe.training, key), *searched(recipe, f"training.{key}")}
