"""Checks of a recipe, as written or as a search would change it, against the task."""

from os.path import normpath
from typing import Any

from pipeline.config.optimisation import SWA
from pipeline.config.recipes import Recipe
from pipeline.config.training import Training
from pipeline.core.component import Component, names, schema
from pipeline.core.errors import UserError, nearest

WEIGHTS = "data/weights"  # the folder for files to start from; dvc.yaml makes searches depend on it


def check_recipe(recipe: Recipe, task: Component) -> None:
    """Check a recipe against the task.

    Raises:
        UserError: two values do not fit each other; begins with the key within the recipe.
    """
    _loss_fits(recipe.loss, task)
    _balance_fits(recipe.training, task)
    _average_fits(recipe.training)
    _weights_are_watched(recipe.model)
    _transfer_fits(recipe)


def _loss_fits(loss: Any, task: Any) -> None:
    """Check that the loss interprets the logits as the task does."""
    if task.ACTIVATION not in loss.ACTIVATIONS:
        raise UserError(
            f"loss.name: got {loss.name!r}, which does not fit task {task.name}; "
            f"{nearest(loss.name, losses_for(task))}"
        )


def losses_for(task: Any) -> list[str]:
    """Return the losses that interpret logits as the task does."""
    return [name for name in names("loss") if task.ACTIVATION in _activations(name)]


def _activations(loss: str) -> tuple[str, ...]:
    declared: Any = schema("loss", loss)
    activations: tuple[str, ...] = declared.ACTIVATIONS
    return activations


def _average_fits(training: Training) -> None:
    """Check that patience cannot stop a fit before SWA starts to average its last epochs."""
    if isinstance(training.average, SWA) and training.patience is not None:
        raise UserError(
            f"training.patience: got {training.patience} with training.average swa, which "
            "averages only the last epochs; allowed null, or average: {name: ema}"
        )


def _balance_fits(training: Training, task: Any) -> None:
    if training.class_weights and task.KIND == "values":
        raise UserError(
            f"training.class_weights: got {training.class_weights!r}, but task {task.name} has "
            "no classes; allowed null; remove it"
        )
    for key, off in (("sampling", "natural"), ("logit_adjustment", 0)):
        given = getattr(training, key)
        if given != off and task.KIND != "classes":
            raise UserError(
                f"training.{key}: got {given!r}, which needs one class per image; allowed {off} "
                f"with task {task.name}; remove it"
            )
    _start_fits(training)


def _start_fits(training: Training) -> None:
    """Check that class weights which begin late exist, and begin before patience ends a fit."""
    given = f"training.class_weights_start: got {training.class_weights_start}"
    if training.class_weights_start and not training.class_weights:
        raise UserError(f"{given} without class_weights; allowed 0; or set class_weights")
    if training.class_weights_start and training.patience is not None:
        raise UserError(
            f"{given} with patience {training.patience}, which may end a fit before the weights "
            "apply; allowed 0, or patience: null"
        )


def _weights_are_watched(model: Component) -> None:
    """Check that DVC hashes the weight file: otherwise it could change without any retraining."""
    given = model.model_dump().get("pretrained")
    if isinstance(given, str) and not normpath(given).startswith(f"{WEIGHTS}/"):
        raise UserError(
            f"model.pretrained: got {given!r}; allowed true, false or a file below {WEIGHTS}, "
            "where DVC notices changes; put it there"
        )


def _transfer_fits(recipe: Recipe) -> None:
    """Check that frozen weights are pretrained, and are unfrozen before a fit or trial ends."""
    frozen = recipe.training.transfer.frozen_epochs
    given = f"training.transfer.frozen_epochs: got {'null' if frozen is None else frozen}"
    if frozen != 0 and not recipe.model.model_dump().get("pretrained"):
        raise UserError(
            f"{given}, but the model's weights are not pretrained; allowed 0; or set "
            "model.pretrained"
        )
    epochs = min(fit.epochs for fit in (recipe.training, recipe.search) if fit is not None)
    if frozen is not None and frozen >= epochs:
        raise UserError(
            f"{given}, but a fit or trial has {epochs} epochs; allowed fewer, or null to train "
            "only the classifier"
        )
