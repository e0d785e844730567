"""What has to be equal on all nodes, so that the same fit gives the same bits on each of them."""

import platform
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

from pipeline.core.environment import LIBRARIES, library_version

PACKAGE = Path(__file__).parents[2]
MOST_NAMED = 3


@cache
def versions() -> dict[str, str]:
    """Return the hash of each file of pipeline/, and the version of each library and of Python.

    A library's build, such as the `cu130` of torch, is left out: it follows the node's devices.
    """
    code = {
        f"pipeline/{path.relative_to(PACKAGE)}": sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    libraries = {name: library_version(name).partition("+")[0] for name in LIBRARIES}
    return {**code, **libraries, "Python": platform.python_version()}


def difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Name what differs, such as `numpy 2.1.0 instead of 2.2.0`; an empty text where all agree."""
    names = sorted(n for n in {*wanted, *found} if wanted.get(n) != found.get(n))
    named = [_named(name, wanted, found) for name in names[:MOST_NAMED]]
    more = len(names) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _named(name: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    if name not in found:
        return f"{name} is missing"
    if name not in wanted:
        return f"{name} is there, and not here"
    if name.startswith("pipeline/"):
        return f"{name} differs"
    return f"{name} {found[name]} instead of {wanted[name]}"
