"""Families and components: a family is a folder, a component is one file in it.

params.yaml chooses a component by its `name`.

A component's file holds `class Params(Component)`, whose fields are its keys in params.yaml, and
the functions that its family calls. To add a component, add a file: it is found here, checked in
params.yaml and covered by its family's tests, without being listed anywhere.

Every stage reads all of params.yaml, and imports the files of the components that it names. So
these files import torch and other libraries that take long inside their functions: a stage that
needs none of them starts at once, and a wrong parameter is refused at once.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from pipeline.core.errors import UserError

FAMILIES = {
    "source": "pipeline.preprocessing.sources",
    "policy": "pipeline.augmentation.policies",
    "task": "pipeline.tasks",
    "model": "pipeline.models.architectures",
    "loss": "pipeline.losses",
    "method": "pipeline.ensembling.methods",
    "calibrator": "pipeline.ensembling.calibrators",
    "callback": "pipeline.callbacks",
    "engine": "pipeline.execution.engines",
}
CONTENTS = {
    "source": ("load",),
    "policy": ("transforms",),
    "task": ("num_outputs", "predictions", "scores"),
    "model": ("build",),
    "loss": ("build",),
    "method": ("PER_LABEL", "fit", "apply"),
    "calibrator": ("PER_LABEL", "fit", "apply"),
    "callback": ("build",),
    "engine": ("start",),
}
"""What every component of a family defines beside `Params`; see the docstring of its package."""
NAME = re.compile(r"[a-z][a-z0-9_]*")


class Strict(BaseModel):
    """Base of all parameters: frozen, refuses unknown keys and never converts between types."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Component(Strict):
    """Base of every component's `Params`; `name` is the file's name without `.py`."""

    name: str


def names(family: str) -> list[str]:
    """Return the sorted names of a family's components: its files that do not begin with `_`.

    Raises:
        UserError: a file's name is not in lower case.
    """
    paths = [p for p in sorted(_folder(family).glob("*.py")) if not p.stem.startswith("_")]
    for path in paths:
        if not NAME.fullmatch(path.stem):
            raise UserError(
                f"{path}: a component's name consists of a-z, 0-9 and _, and begins with a letter; "
                "rename the file"
            )
    return [path.stem for path in paths]


def load(family: str, component: Component) -> ModuleType:
    """Import the file that `component` names."""
    return import_module(f"{FAMILIES[family]}.{component.name}")


@cache
def schema(family: str, name: str) -> type[Component]:
    """Return the typed parameters of one component, with `name` fixed to it.

    Raises:
        UserError: the file lacks something that its family needs.
    """
    module = load(family, Component(name=name))
    params = getattr(module, "Params", None)
    if not (isinstance(params, type) and issubclass(params, Component)):
        raise UserError(f"{module.__file__}: no `class Params(Component)`; add it")
    for needed in CONTENTS[family]:
        if not hasattr(module, needed):
            raise UserError(
                f"{module.__file__}: no `{needed}` at the top level; add it, as "
                f"{FAMILIES[family].replace('.', '/')}/__init__.py describes it"
            )
    fixed: Any = (Literal[name], Field())
    made: type[Component] = create_model(f"{family}:{name}", __base__=params, name=fixed)
    return made


def make(family: str, name: str, **settings: Any) -> Component:
    """Return a component with these settings, and defaults for all others."""
    return schema(family, name)(name=name, **settings)


UNKNOWN = "unknown_component"  # the kind of pydantic's error where no file has the name


@dataclass(frozen=True)
class Choice:
    """Makes a key of params.yaml, `Annotated[Component, Choice(family)]`, name one component."""

    family: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def _checked(self, given: Any) -> Component:
        if isinstance(given, Component):
            return given
        if not isinstance(given, dict) or given.get("name") not in names(self.family):
            raise PydanticCustomError(UNKNOWN, "a component", {"allowed": names(self.family)})
        return schema(self.family, given["name"]).model_validate(retuple(given))


def retuple(tree: Any) -> Any:
    """Turn lists into tuples: YAML and JSON give lists, the frozen parameters hold tuples."""
    if isinstance(tree, dict):
        return {key: retuple(value) for key, value in tree.items()}
    return tuple(map(retuple, tree)) if isinstance(tree, list | tuple) else tree


def _folder(family: str) -> Path:
    return Path(__file__).parents[2].joinpath(*FAMILIES[family].split("."))
