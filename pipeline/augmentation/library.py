"""Build albumentations' transforms from parameters, and report where any of them are invalid."""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipeline.augmentation.backend import A
from pipeline.core.errors import nearest

Loc = tuple[int | str, ...]  # path within the parameters

GROUPS = ("OneOf", "SomeOf", "RandomOrder", "Sequential")
GROUP_ARGUMENTS: dict[str, TypeAdapter[Any]] = {  # the library itself does not check these
    "p": TypeAdapter(Annotated[float, Field(ge=0, le=1)]),
    "n": TypeAdapter(Annotated[int, Field(ge=1)]),
    "replace": TypeAdapter(bool),
    "transforms": TypeAdapter(Annotated[Sequence[Any], Field(min_length=1)]),
}

_CONVERTS = "transforms that return uint8, which the network normalises itself; remove it"
_VARIES = "transforms that make images of one size; use RandomResizedCrop or Affine"
_NEEDS = "transforms that need the image alone, not boxes, masks, volumes or code; remove it"
REFUSED = {
    **dict.fromkeys(("FromFloat", "Normalize", "ToFloat", "ToTensor3D", "ToTensorV2"), _CONVERTS),
    **dict.fromkeys(("RandomCropFromBorders", "RandomScale"), _VARIES),
    **dict.fromkeys(
        (
            "AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "ConstrainedCoarseDropout",
            "CropNonEmptyMaskIfExists", "FDA", "HistogramMatching", "Lambda", "MaskDropout",
            "Mosaic", "OverlayElements", "PixelDistributionAdaptation", "RandomCropNearBBox",
            "RandomSizedBBoxSafeCrop", "TextImage", "CenterCrop3D", "CoarseDropout3D",
            "CubicSymmetry", "Pad3D", "PadIfNeeded3D", "RandomCrop3D",
        ),
        _NEEDS,
    ),
}  # fmt: skip


def allowed() -> dict[str, type]:
    """Return the transforms and groups that a policy may name."""
    bases = {"BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"}
    found = {
        name: value
        for name, value in vars(A).items()
        if inspect.isclass(value) and issubclass(value, A.BasicTransform)
    }
    found |= {name: getattr(A, name) for name in GROUPS}
    return {name: found[name] for name in sorted(found.keys() - bases - REFUSED.keys())}


def build(given: Sequence[Any], at: Loc = ()) -> list[Any]:
    """Return the transforms that `given` describes: mappings of a name and arguments.

    Raises:
        ValidationError: a name, an argument or a value is unknown to the library or cannot work
            here; its location continues `at`.
    """
    return [_build_one(one, (*at, i)) for i, one in enumerate(given)]


def _build_one(given: Any, at: Loc) -> Any:
    if not isinstance(given, Mapping) or "name" not in given:
        raise _error(at, given, "a mapping with the name of a transform and its arguments")
    name = given["name"]
    kind = _class_of(name, at)
    arguments = {key: value for key, value in given.items() if key != "name"}
    known = [key for key in inspect.signature(kind).parameters if key != "strict"]
    for key, value in arguments.items():
        if key not in known:
            raise _error((*at, str(key)), value, nearest(key, known).removeprefix("allowed "))
    return _group(kind, arguments, at) if name in GROUPS else _transform(kind, arguments, at)


def _class_of(name: Any, at: Loc) -> Any:
    known = allowed()
    if isinstance(name, str) and name in REFUSED:
        raise _error((*at, "name"), name, REFUSED[name])
    if not isinstance(name, str) or name not in known:
        close = get_close_matches(str(name), known, n=1)
        hint = f"; nearest {close[0]}" if close else ""
        raise _error((*at, "name"), name, f"an image transform of albumentations{hint}")
    return known[name]


def _group(kind: Any, arguments: dict[str, Any], at: Loc) -> Any:
    for key, value in arguments.items():
        try:
            GROUP_ARGUMENTS[key].validate_python(value, strict=True)
        except ValidationError as error:
            raise _from_library(error, (*at, key)) from None
    if "transforms" not in arguments:
        raise _missing((*at, "transforms"), arguments)
    held = build(arguments["transforms"], (*at, "transforms"))
    return _construct(kind, {**arguments, "transforms": held}, at, "error")


def _transform(kind: Any, arguments: dict[str, Any], at: Loc) -> Any:
    strict = {"strict": True} if "InitSchema" in vars(kind) else {}  # otherwise it may use defaults
    return _construct(kind, {**arguments, **strict}, at, "ignore")


def _construct(kind: Any, arguments: dict[str, Any], at: Loc, on_warning: Any) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(on_warning)
            return kind(**arguments)
    except Exception as error:
        if isinstance(error.__cause__, ValidationError):
            raise _from_library(error.__cause__, at) from None
        raise _error(at, kind.__name__, f"arguments that it accepts: {error}") from None


def _from_library(error: ValidationError, at: Loc) -> ValidationError:
    """Return albumentations' own message, located at the value."""
    first = error.errors()[0]
    if first["type"] == "missing":
        return _missing((*at, *first["loc"]), first["input"])
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return _error((*at, *first["loc"]), first["input"], message)


def _missing(at: Loc, given: Any) -> ValidationError:
    line = InitErrorDetails(type="missing", loc=at, input=given)
    return ValidationError.from_exception_data("transforms", [line])


def _error(at: Loc, given: Any, allowed: str) -> ValidationError:
    plain = allowed.replace("{", "(").replace("}", ")")  # braces would be filled in
    refusal = PydanticCustomError("transform", plain)
    line = InitErrorDetails(type=refusal, loc=at, input=given)
    return ValidationError.from_exception_data("transforms", [line])
