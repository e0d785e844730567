"""Names that are none, and names that are spelt in two ways."""

import re
from collections.abc import Mapping
from decimal import Decimal

from pipeline.core.errors import UserError
from pipeline.preprocessing.reading.columns import Columns

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
MISSING = {"nan", "na", "n/a", "<na>", "#n/a", "null", "none"}  # as tables write an empty cell


def check_names(columns: Columns, name: str, first: Mapping[str, int], advice: str) -> None:
    """Refuse names that stand for a missing value, and two spellings of one name.

    Args:
        first: the first row of each name that occurs in the column `name`.
        advice: what to do where the names are meant so.

    Raises:
        UserError: names the cells.
    """
    seen: dict[object, str] = {}
    for value, row in first.items():
        if value.lower() in MISSING:
            raise UserError(
                f"{columns.at(row)}, {name}: got {value!r}, which usually stands for a missing "
                f"value; {advice}"
            )
        other = seen.setdefault(_meaning(value), value)
        if other != value:
            raise UserError(
                f"{columns.at(row)}, {name}: got {value!r}, and {other!r} in "
                f"{columns.place(first[other])}; {advice}"
            )


def groups_in(columns: Columns, name: str | None) -> list[str] | None:
    """Return the group of each row from the column `name`; None where no column is named.

    Raises:
        UserError: a group stands for a missing value, or is spelt in two ways.
    """
    if name is None:
        return None
    first: dict[str, int] = {}
    for row, group in enumerate(columns.cells[name]):
        if group:
            first.setdefault(group, row)
    check_names(columns, name, first, "correct it; leave the cell empty if it has no group")
    return columns.cells[name]


def _meaning(value: str) -> object:
    """Return what two spellings of one name share: the number, or the words in lower case."""
    return Decimal(value) if NUMBER.fullmatch(value) else " ".join(value.casefold().split())
