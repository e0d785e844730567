"""Families and components: a family is a folder, a component is one file in it.

params.yaml chooses a component by its `name`.

A component's file holds `class Params(Component)`, whose fields are its keys in params.yaml, and
the functions that its family calls. To add a component, add a file: it is found here, checked in
params.yaml and covered by its family's tests, without being listed anywhere.

`Params` is read from the source of the file without running the rest: a stage that needs no torch
can then check a network's parameters without waiting 1.5 s for torch.
"""

import ast
import typing
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, Union

import pydantic
from pydantic import BaseModel, ConfigDict, Field, create_model

FAMILIES = {
    "source": "pipeline.preprocessing.sources",
    "policy": "pipeline.augmentation.policies",
    "task": "pipeline.tasks",
    "model": "pipeline.models.architectures",
    "loss": "pipeline.losses",
    "method": "pipeline.ensembling.methods",
    "calibrator": "pipeline.ensembling.calibrators",
    "callback": "pipeline.callbacks",
}


class Strict(BaseModel):
    """Base of all parameters: frozen, refuses unknown keys and never converts between types."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Component(Strict):
    """Base of every component's `Params`; `name` is the file's name without `.py`."""

    name: str


def names(family: str) -> list[str]:
    """Return the sorted names of a family's components: its files that do not begin with `_`."""
    return sorted(p.stem for p in _folder(family).glob("*.py") if not p.stem.startswith("_"))


def load(family: str, component: Component) -> ModuleType:
    """Import the file that `component` names."""
    return import_module(f"{FAMILIES[family]}.{component.name}")


def resolve(family: str, component: Component) -> tuple[ModuleType, Any]:
    """Return the module that `component` names, and the parameters as that module's `Params`."""
    module = load(family, component)
    return module, module.Params.model_validate(component.model_dump())


@cache
def schema(family: str, name: str) -> type[Component]:
    """Return the typed parameters of one component, with `name` fixed to it.

    The class body may use names that `pydantic` and `typing` export, and nothing else of its file.

    Raises:
        TypeError: the file has no `class Params(Component)`.
    """
    path = _folder(family) / f"{name}.py"
    body = ast.parse(path.read_text()).body
    found = [node for node in body if isinstance(node, ast.ClassDef) and node.name == "Params"]
    if not found:
        raise TypeError(f"{path}: a component needs `class Params(Component)`")
    namespace: dict[str, Any] = {"__name__": f"{FAMILIES[family]}.{name}", "Component": Component}
    namespace |= {k: getattr(typing, k) for k in typing.__all__}
    namespace |= {k: getattr(pydantic, k) for k in ("Field", "field_validator", "model_validator")}
    exec(compile(ast.Module([*found], []), str(path), "exec"), namespace)
    fixed: Any = (Literal[name], Field())
    made: type[Component] = create_model(
        f"{family}:{name}", __base__=namespace["Params"], name=fixed
    )
    return made


def choice(family: str) -> Any:
    """Return the type of a key in params.yaml that names one component of `family`."""
    schemas = tuple(schema(family, name) for name in names(family))
    return Annotated[Union[schemas], Field(discriminator="name")]  # noqa: UP007


def retuple(tree: Any) -> Any:
    """Turn lists into tuples: YAML and JSON give lists, the frozen parameters hold tuples."""
    if isinstance(tree, dict):
        return {key: retuple(value) for key, value in tree.items()}
    return tuple(map(retuple, tree)) if isinstance(tree, list | tuple) else tree


def _folder(family: str) -> Path:
    return Path(__file__).parents[2].joinpath(*FAMILIES[family].split("."))
