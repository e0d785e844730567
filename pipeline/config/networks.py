"""Where the networks, the predictions and the fitted system of a name lie."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pipeline.config.distillation import ENSEMBLE
from pipeline.config.params import Params
from pipeline.core.files import read_json
from pipeline.core.paths import Layout


def deployed(inputs: Layout, model: str) -> str:
    """Return the name of the system that is packaged.

    Args:
        model: what `serving.model` says.
    """
    if model != ENSEMBLE:
        return model
    return str(read_json(inputs.ensemble / "choice.json")["chosen"])


def model_in(tree: dict[str, Any]) -> str:
    """Return what `serving.model` says in a parameter file, which may be older than that key."""
    return str((tree.get("serving") or {}).get("model", ENSEMBLE))


def networks_of(inputs: Layout, name: str, params: Params) -> Path:
    """Return the folder with the networks of a member, a soup or a student."""
    if name in params.distil:
        return inputs.student(name)
    return inputs.soup(name) if name in params.soups else inputs.member(name)


def predictions_of(inputs: Layout, name: str, split: str, students: Collection[str]) -> Path:
    """Return the file of the predictions of a member, a soup or a student."""
    if name in students:
        return inputs.student_predictions(name) / f"{split}.npz"
    return inputs.predictions(name, split)


def cost_of(inputs: Layout, name: str, params: Params) -> Path:
    """Return the file of the cost of a member, a soup or a student."""
    if name in params.distil:
        return inputs.student_predictions(name) / "cost.json"
    return inputs.cost(name)


def system_of(inputs: Layout, name: str, params: Params) -> Path:
    """Return the file of the combiner of a member, a soup, a student or an ensemble."""
    return inputs.student_system(name) if name in params.distil else inputs.system(name)


def sets_of(inputs: Layout, name: str, params: Params) -> Path:
    """Return the file of a student's prediction sets, or of those of the chosen ensemble."""
    return inputs.student_sets(name) if name in params.distil else inputs.sets
