"""The order of class names, and the least number of them."""

import re
from collections.abc import Iterable

from pipeline.core.errors import UserError
from pipeline.core.kind import Kind

WHOLE = re.compile(r"-?\d{1,18}")


def ordered(names: Iterable[str]) -> list[str]:
    """Sort the names; by value if all are whole numbers, so that class 10 follows 9."""
    names = sorted(names)
    if all(WHOLE.fullmatch(name) for name in names):
        names.sort(key=int)
    return names


def at_least_two(classes: list[str], where: str) -> list[str]:
    """Return `classes`, or raise a UserError that begins with `where`."""
    if len(classes) < 2:
        only = f"only class {classes[0]!r}" if classes else "no class"
        raise UserError(f"{where}: {only}; classification needs at least two classes")
    return classes


def only_classes(name: str, kind: Kind) -> None:
    """Refuse a task that does not learn one class per image, which is all that `name` provides."""
    if kind != "classes":
        raise UserError(
            f"data.source.name: got {name}, which gives one class per image, but the task "
            f"expects {kind}; allowed arrow, table"
        )
