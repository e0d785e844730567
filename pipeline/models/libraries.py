"""The architectures that an installed library provides, read from its source.

Importing timm takes 5 s, reading it takes 0.1 s, and every stage checks params.yaml first.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pydantic_core import PydanticCustomError

REGISTERED = re.compile(r"^@register_model\b.*\n(?:^@.*\n)*^def (\w+)\(", re.MULTILINE)


@cache
def architectures(library: str) -> frozenset[str]:
    """Return the names in `timm` or `torchvision`: all functions that it registers as models."""
    spec = find_spec(library)
    assert spec is not None and spec.origin is not None
    sources = (Path(spec.origin).parent / "models").glob("*.py")
    return frozenset(name for path in sources for name in REGISTERED.findall(path.read_text()))


def require(library: str, architecture: str) -> None:
    """Refuse, as a parameter's validator, a name that the library does not have.

    Raises:
        PydanticCustomError: names the nearest few of them.
    """
    known = architectures(library)
    if architecture not in known:
        close = get_close_matches(architecture, sorted(known), n=5, cutoff=0.5)
        hint = f"; nearest {', '.join(close)}" if close else ""
        message = f"one of the {len(known):,} architectures of {library}{hint}"
        raise PydanticCustomError("architecture", message)


def refuse(options: Mapping[str, object], *taken: str) -> None:
    """Refuse, as a parameter's validator, options that Convoy sets itself."""
    for name in taken:
        if name in options:
            message = f"options other than {name}, which Convoy sets"
            raise PydanticCustomError("options", message)
