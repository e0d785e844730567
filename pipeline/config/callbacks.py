"""The callbacks that `training.callbacks` may name: Convoy's own components and Lightning's.

Lightning's callbacks are named by their classes in snake case. The available callbacks, and the
arguments of each, are read from the source of the installed package: every stage loads the
parameters, and importing Lightning takes seconds.
"""

import ast
import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    Optional,
    TypeAlias,
    Union,
)

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipeline.config.messages import WORDED
from pipeline.core.component import UNKNOWN, Component, Strict, names, schema
from pipeline.core.errors import nearest

PACKAGE = "pytorch_lightning"
FAMILY = "callback"

_TRANSFER = "Convoy freezes and unfreezes blocks itself; use training.transfer"
_CHECKPOINTS = "Convoy saves checkpoints itself and resumes from them; remove it"
_AVERAGE = "Convoy averages the weights itself; use training.average"
_PROGRESS = "Convoy shows progress itself; remove it"
REFUSED = {
    "backbone_finetuning": _TRANSFER,
    "base_finetuning": _TRANSFER,
    "base_prediction_writer": "training makes no predictions, the stage predict does; remove it",
    "batch_size_finder": "a batch size chosen to fit the device would change the result; set "
    "training.batch_size, and training.micro_batches where a batch does not "
    "fit in memory",
    "callback": "the base class does nothing; remove it",
    "checkpoint": _CHECKPOINTS,
    "early_stopping": "Convoy stops early itself; use training.patience",
    "ema_weight_averaging": _AVERAGE,
    "gradient_accumulation_scheduler": "it does not support manual optimisation, which Convoy "
    "uses; use training.micro_batches",
    "lambda_callback": "its arguments are functions, which a parameter file cannot hold; write a "
    "file in pipeline/callbacks",
    "learning_rate_finder": "its rate never rises under manual optimisation, which Convoy uses; "
    "run `python -m pipeline lr`",
    "model_checkpoint": _CHECKPOINTS,
    "model_pruning": "its checkpoints do not record which weights are pruned, so a resumed fit "
    "ends with different ones; remove it",
    "on_exception_checkpoint": _CHECKPOINTS,
    "progress_bar": _PROGRESS,
    "rich_progress_bar": _PROGRESS,
    "spike_detection": "Lightning fails to restore its state, so a fit that uses it cannot be "
    "resumed; use training.on_divergence",
    "stochastic_weight_averaging": "its rate and its last epoch have no effect under manual "
    "optimisation, which Convoy uses; use training.average",
    "timer": "a fit would end by the clock, with different weights each time; use training.epochs",
    "tqdm_progress_bar": _PROGRESS,
    "weight_averaging": _AVERAGE,
}
"""Why Convoy does not accept a Lightning callback, and what to do instead."""

FUNCTIONS = {"throughput_monitor": ("batch_size_fn", "length_fn")}
"""Arguments that no parameter file can hold; the caller of the class supplies the required ones."""

KNOWN_TYPES: dict[str, Any] = {
    **{known.__name__: known for known in (bool, int, float, str, dict)},
    **{"Any": Any, "Callable": Callable, "Literal": Literal, "Optional": Optional, "Union": Union},
}
"""The types that an annotation may use if its values are to be checked. Lists are excluded: YAML's
lists are tuples here, which a strict list refuses."""


class LightningCallback(Component):
    """A Lightning callback: `name` and those arguments of its class that were given."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            allowed = [*names(FAMILY), *usable()]
            raise PydanticCustomError(UNKNOWN, "a component", {"allowed": allowed})
        return given

    @model_validator(mode="after")
    def _is_accepted(self) -> "LightningCallback":
        _check(self.name, self.arguments)
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments to call the class with, besides `FUNCTIONS`."""
        return dict(self.model_extra or {})


def class_name(name: str) -> str:
    """Return the class in `pytorch_lightning.callbacks` that a snake-case name means.

    Raises:
        KeyError: Lightning has no such callback.
    """
    return _public()[name].name


def usable() -> list[str]:
    """Return the sorted names of the Lightning callbacks that Convoy accepts."""
    return sorted(_public().keys() - REFUSED.keys())


@cache
def arguments(name: str) -> type[Strict]:
    """Return the typed arguments that a Lightning callback takes from a parameter file.

    Arguments whose annotation needs more than `KNOWN_TYPES` take any value.
    """
    fields: dict[str, Any] = {}
    for parameter in _parameters(_init(name)):
        if parameter.name not in FUNCTIONS.get(name, ()):
            default = ... if parameter.is_required else None  # Lightning holds the real default
            fields[parameter.name] = (_type(parameter.annotation), default)
    made: type[Strict] = create_model(f"lightning:{name}", __base__=Strict, **fields)
    return made


class _Class(NamedTuple):
    name: str
    module: str


class _Parameter(NamedTuple):
    name: str
    annotation: ast.expr | None
    is_required: bool


def _check(name: str, given: dict[str, Any]) -> None:
    """Refuse an unknown or unusable callback, and arguments that it does not take."""
    if name in REFUSED:
        _refuse(("name",), f"got {name!r}; {REFUSED[name]}")
    if name not in _public():
        _refuse(("name",), f"got {name!r}; {nearest(name, [*names(FAMILY), *usable()])}")
    taken = arguments(name)
    for key in given.keys() - taken.model_fields.keys():
        _refuse((key,), f"unknown key; {nearest(key, ['name', *taken.model_fields])}")
    taken.model_validate(given)


def _refuse(loc: tuple[str, ...], text: str) -> NoReturn:
    """Raise an error at `loc` within the callback, which pydantic adds to its own."""
    error = PydanticCustomError(WORDED, "{text}", {"text": text})
    details = InitErrorDetails(type=error, loc=loc, input=None)
    raise ValidationError.from_exception_data("callback", [details])


def _package() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{PACKAGE}: not installed; run `make install`")
    return Path(spec.origin).parent


@cache
def _public() -> dict[str, _Class]:
    """Return the classes that `pytorch_lightning.callbacks` exports, by their snake-case names."""
    body = ast.parse((_package() / "callbacks" / "__init__.py").read_text()).body
    imports = [node for node in body if isinstance(node, ast.ImportFrom) and node.module]
    return {
        _snake(alias.name): _Class(alias.name, node.module or "")
        for node in imports
        for alias in node.names
    }


def _snake(name: str) -> str:
    """Turn `EMAWeightAveraging` into `ema_weight_averaging`."""
    word_starts = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
    return re.sub(word_starts, "_", name).lower()


def _init(name: str) -> ast.FunctionDef | None:
    """Return the `__init__` that a callback's own class defines, or None."""
    found = _public()[name]
    path = _package().joinpath(*found.module.split(".")[1:]).with_suffix(".py")
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name == found.name:
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            return next((method for method in methods if method.name == "__init__"), None)
    raise LookupError(f"{path}: no class {found.name}")


def _parameters(init: ast.FunctionDef | None) -> list[_Parameter]:
    """Return the named parameters: in `**kwargs` a misspelt one would go unnoticed."""
    if init is None:
        return []
    positional = init.args.args[1:]  # without self
    num_required = len(positional) - len(init.args.defaults)
    found = [_Parameter(a.arg, a.annotation, i < num_required) for i, a in enumerate(positional)]
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        found.append(_Parameter(argument.arg, argument.annotation, default is None))
    return found


def _type(annotation: ast.expr | None) -> Any:
    """Return the type that an annotation names; `Any` if it needs more than `KNOWN_TYPES`."""
    if annotation is None:
        return Any
    try:
        code = compile(ast.Expression(annotation), PACKAGE, "eval")
        return eval(code, {"__builtins__": {}}, KNOWN_TYPES)
    except NameError:
        return Any


def _kind(callback: Any) -> str:
    """Return the branch of `Callbacks` for an entry: a component's name, or Lightning's."""
    named = callback.get("name") if isinstance(callback, dict) else getattr(callback, "name", None)
    return named if named in names(FAMILY) else LightningCallback.__name__


def _once_each(callbacks: tuple[Component, ...]) -> tuple[Component, ...]:
    listed = [callback.name for callback in callbacks]
    for name in listed:
        if listed.count(name) > 1:
            text = f"got {name!r} twice; allowed once; remove one"
            raise PydanticCustomError(WORDED, "{text}", {"text": text})
    return callbacks


def _branches() -> Any:
    own = [Annotated[schema(FAMILY, name), Tag(name)] for name in names(FAMILY)]
    lightnings = Annotated[LightningCallback, Tag(LightningCallback.__name__)]
    return Annotated[Union[(*own, lightnings)], Discriminator(_kind)]


if TYPE_CHECKING:
    Callbacks: TypeAlias = tuple[Component, ...]
else:
    Callbacks = Annotated[tuple[_branches(), ...], AfterValidator(_once_each)]
