"""Arguments of a library's architecture beyond those that Convoy passes itself."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from pipeline.core.errors import UserError, nearest

UNKNOWN = re.compile(r"unexpected keyword argument '(\w+)'")
REFUSALS = (TypeError, ValueError, AssertionError, KeyError, ArithmeticError, RuntimeError)


def construct(
    make: Callable[..., nn.Module], given: Mapping[str, Any], options: Mapping[str, Any]
) -> nn.Module:
    """Return `make(**given, **options)`, where `options` may replace what is given.

    Raises:
        UserError: the architecture does not have the option, or does not accept this value.
    """
    try:
        return make(**{**given, **options})
    except REFUSALS as error:
        if not options:
            raise UserError(
                f"model: got {dict(given)}, which the architecture does not accept: {error}"
            ) from error
        unknown = UNKNOWN.search(str(error))
        if unknown:
            allowed = inspect.signature(type(make(**given))).parameters
            raise UserError(
                f"model.options.{unknown[1]}: unknown option; {nearest(unknown[1], allowed)}"
            ) from error
        raise UserError(f"model.options: got {dict(options)}: {error}") from error
